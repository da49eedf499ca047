"""`python -m bench [job|reads|freshness|...]`: each prints JSON in its last line; without a name it is the job."""

import importlib
import logging
import sys

import click

COMMANDS = ("job", "reads", "freshness", "growth", "batches", "recovery", "load", "capacity")
DEFAULT = "job"


class Benches(click.Group):
    """Each command is a module of this name; its first option may follow at once where it is the job."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"bench.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args and (args[0] in COMMANDS or args[0] == "--help")
        return super().parse_args(ctx, args if named else [DEFAULT, *args])


@click.command(cls=Benches)
def main() -> None:
    """Measure, each on a broker of its own; the last line on stdout is JSON."""
    # What it warns of while a new broker settles is retried.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
