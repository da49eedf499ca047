"""Topics: the declared data in both modes, and the cluster brought to it or refused."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner

from streams import topics
from streams.ops.topic_admin import apply_topics, check_topics
from streams.settings import Settings
from streams.tools.topics_cli import command

BY_MODE = {"views", "likes", "shares", "feedback", "videos", "accounts"}
COMPACTED = {"videos", "accounts", "interests", "pairs", "parked", "videos-table", "trends", "charts"}


def _configs(settings: Settings) -> dict[str, dict[str, str]]:
    return {topic.name: topic.config for topic in topics.specs(settings)}


def test_sixteen_topics_with_their_policies() -> None:
    configs = _configs(Settings())
    assert len(configs) == 16
    assert {name for name, config in configs.items() if config["cleanup.policy"] == "compact"} == COMPACTED
    assert {config["message.timestamp.type"] for config in configs.values()} == {"LogAppendTime"}
    days = {
        name: int(config["retention.ms"]) // topics.DAY_MS for name, config in configs.items() if name not in COMPACTED
    }
    assert days == {
        "views": 14, "likes": 14, "shares": 14, "feedback": 14,
        "video-tallies": 14, "trend-tallies": 14, "commits": 14, "dead-letters": 30,
    }  # fmt: skip


def test_history_keeps_everything_and_lets_the_writer_set_arrival() -> None:
    configs = _configs(Settings(time_mode="history"))
    assert {name for name, config in configs.items() if config["message.timestamp.type"] == "CreateTime"} == BY_MODE
    kept = {name for name, config in configs.items() if config.get("retention.ms") == "-1"}
    assert kept == {"views", "likes", "shares", "feedback", "video-tallies", "trend-tallies", "commits"}


def test_names_carry_the_prefix_and_unknown_ones_are_refused() -> None:
    settings = Settings(topic_prefix="a.")
    assert topics.topic_name(settings, "views") == "a.views"
    assert {topic.name for topic in topics.specs(settings)} == {f"a.{name}" for name in topics.NAMES}
    with pytest.raises(KeyError):
        topics.topic_name(settings, "a.views")


@pytest.mark.parametrize("mode", ["live", "history"])
async def test_apply_creates_once_and_check_agrees(bootstrap: str, topic_prefix: str, mode: str) -> None:
    settings = Settings.model_validate({"topic_prefix": topic_prefix, "partitions": 2, "time_mode": mode})
    assert len(await check_topics(bootstrap, settings)) == 16
    assert len(await apply_topics(bootstrap, settings)) == 16
    assert await check_topics(bootstrap, settings) == []
    assert await apply_topics(bootstrap, settings) == []


async def test_check_finds_every_sort_of_mismatch(bootstrap: str, topic_prefix: str) -> None:
    settings = Settings(topic_prefix=topic_prefix, partitions=1)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    wrong = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    await admin.create_topics([NewTopic(f"{topic_prefix}views", 3, 1, topic_configs=wrong)])
    await admin.close()
    await apply_topics(bootstrap, settings)
    found = await check_topics(bootstrap, settings)
    assert {(item.topic, item.what, item.wanted, item.found) for item in found} == {
        (f"{topic_prefix}views", "partition count", "1", "3"),
        (f"{topic_prefix}views", "cleanup.policy", "delete", "compact"),
        (f"{topic_prefix}views", "message.timestamp.type", "LogAppendTime", "CreateTime"),
    }
    assert "STREAMS_PARTITIONS=3" in found[0].remedy


def test_the_command_exits_78_on_a_mismatch(bootstrap: str, topic_prefix: str) -> None:
    env = {"STREAMS_BROKER_URL": bootstrap, "STREAMS_TOPIC_PREFIX": topic_prefix, "STREAMS_PARTITIONS": "1"}
    runner = CliRunner(env=env)
    assert runner.invoke(command, ["check"]).exit_code == 78
    applied = runner.invoke(command, ["apply"])
    assert (applied.exit_code, applied.output.count("created ")) == (0, 16)
    again = runner.invoke(command, ["apply"], env={"STREAMS_TIME_MODE": "history"})
    assert again.exit_code == 78
    assert "STREAMS_TIME_MODE=live" in again.output


def test_the_command_without_a_cluster_says_how_to_get_one() -> None:
    silent = CliRunner(env={"STREAMS_BROKER_URL": "127.0.0.1:1"}).invoke(command, ["check"])
    unnamed = CliRunner(env={"STREAMS_BROKER_URL": None}).invoke(command, ["check"])
    assert (silent.exit_code, unnamed.exit_code) == (70, 78)
    assert "No Kafka answers" in silent.output
    assert "streams broker" in unnamed.output
