"""`python -m streams COMMAND`: one line of help per command, each loaded only when it is called."""

import importlib
from typing import NamedTuple

import click

from streams import __version__


class _Entry(NamedTuple):
    module: str
    help: str


COMMANDS = {
    "run": _Entry("streams.tools.run.cli", "Start everything here, replay interactions, show what comes out."),
    "worker": _Entry("streams.worker", "Fold interactions into interests and trends until told to stop."),
    "serve": _Entry("streams.serving.main", "Answer questions about interests and trends over HTTP."),
    "broker": _Entry("streams.tools.broker.command", "Run one Kafka on this machine, nothing to install."),
    "topics": _Entry("streams.tools.topics_cli", "Create the declared topics, or check the cluster against them."),
    "replay": _Entry("streams.tools.replay.cli", "Write recorded interactions into the source topics."),
    "simulate": _Entry(
        "streams.tools.simulate.cli", "Write made-up interactions of any number into the source topics."
    ),
    "audit": _Entry("streams.tools.audit.cli", "Recount everything from the topics and report every wrong row."),
    "dead-letters": _Entry("streams.tools.dead_letters.cli", "List, show and retry records that could not be used."),
    "acls": _Entry("streams.tools.acls", "List the rights that each process needs at Kafka."),
    "doctor": _Entry("streams.tools.doctor.cli", "Check cluster, topics, producers, disk and clock; name remedies."),
    "rebuild": _Entry("streams.tools.rebuild.cli", "Delete what is derived, so that workers fold everything again."),
    "schemas": _Entry("streams.tools.schemas", "Write the JSON Schemas of all records, or check them for drift."),
}


class LazyGroup(click.Group):
    """A group that knows the help of its commands without importing them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names, in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is called."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found: click.Command = importlib.import_module(entry.module).command
        return found

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(name="streams", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streams")
def main() -> None:
    """Interaction streams: views, likes and shares in; interest vectors and trend counters out.

    Settings come from STREAMS_* environment variables; options win over them.
    """


if __name__ == "__main__":
    main(prog_name="streams")
