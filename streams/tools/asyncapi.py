"""The AsyncAPI 3 document of all public topics: `python -m streams.tools.asyncapi` (make docs) prints it."""

import json
import sys
from typing import Any, NamedTuple

from streams import __version__
from streams.settings import Settings
from streams.topics import NAMES, Topic, specs

Json = dict[str, Any]

SPECIFICATION = "3.0.0"
BINDING = "0.5.0"
JSON_TYPE = "application/json"
ROW_TYPE = "application/octet-stream"
PRIVATE = frozenset({"video-tallies", "trend-tallies"})
"""Between our own stages: their form changes without notice."""
SHOWN = ("max.message.bytes", "delete.retention.ms", "retention.ms")
USER, VIDEO = "id of the user, UTF-8", "id of the video, UTF-8"
ROW = "The payload shown is the row as decoded by streams/core/rows.py, which defines its bytes."


class Message(NamedTuple):
    """What lies in a topic: a JSON value, or a row in bytes whose decoded form the schema describes."""

    name: str
    summary: str
    key: str
    schema: str | None
    kind: str = JSON_TYPE
    removes: bool = False
    """Whether a record without a value is one too, and removes what its key stands for."""


RECEIVED: dict[str, Message] = {
    "views": Message("view", "A user watched a video.", USER, "view.v1.json"),
    "likes": Message("like", "A user liked a video, or took it back.", USER, "like.v1.json"),
    "shares": Message("share", "A user shared a video, or took it back.", USER, "share.v1.json"),
    "feedback": Message(
        "feedback", "What else a user said about a video; kept for later use.", USER, "feedback.v1.json"
    ),
    "videos": Message(
        "video", "The facts of a video: each record is all of them.", VIDEO, "video.v1.json", removes=True
    ),
    "accounts": Message("account", "The state of an account.", USER, "account.v1.json", removes=True),
}
"""Topics that others write -> their message."""
SENT: dict[str, tuple[Message, ...]] = {
    "interests": (
        Message("interest", "A user's interests.", USER, "rows/interests.v1.json", ROW_TYPE, removes=True),
    ),
    "pairs": (
        Message("pair", "What holds between a user and a video.", "user, NUL, video", "rows/pairs.v1.json", ROW_TYPE,
                removes=True),
    ),
    "parked": (
        Message("parked-share", "Interest in a video whose facts are not known yet.", "user, NUL, video",
                "rows/parked.v1.json", ROW_TYPE, removes=True),
    ),
    "videos-table": (
        Message("video-facts", "Facts of a video as applied.", "video", "rows/videos-table-facts.v1.json", ROW_TYPE,
                removes=True),
        Message("video-counts", "Counts of a video in a region.", "video, NUL, region", "rows/counters.v1.json",
                ROW_TYPE, removes=True),
    ),
    "trends": (
        Message("entity-counts", "Counts of an entity in a scope.", "letter of the kind, id, NUL, scope",
                "rows/counters.v1.json", ROW_TYPE, removes=True),
    ),
    "charts": (
        Message("chart", "The first hundred of one partition.", "kind|scope|window|partition",
                "rows/chart.v1.json", removes=True),
    ),
    "commits": (
        Message("commit", "What a unit has folded and written.", "partition number, decimal", "rows/commit.v1.json"),
    ),
    "dead-letters": (
        Message("dead-letter", "The value of a record that could not be used; why, where and its key are headers.",
                "id of the letter: topic, partition and offset", None, ROW_TYPE),
    ),
}  # fmt: skip
"""Topics that others may read -> their messages."""


def document(settings: Settings) -> Json:
    """The document for topics as these settings declare them."""
    public = {name: topic for name, topic in zip(NAMES, specs(settings), strict=True) if name not in PRIVATE}
    return {
        "asyncapi": SPECIFICATION,
        "info": {
            "title": "Interaction Streams", "version": __version__,
            "description": "Topics to write to and tables to read. Read with isolation level read_committed.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": JSON_TYPE,
        "servers": {"kafka": _server()},
        "channels": {name: _channel(name, topic) for name, topic in public.items()},
        "operations": {_operation_name(name): _operation(name) for name in public},
        "components": {"messages": {found.name: _message(found) for name in public for found in messages(name)}},
    }  # fmt: skip


def messages(name: str) -> tuple[Message, ...]:
    """Messages of a public topic; KeyError for one that neither table above knows."""
    return (RECEIVED[name],) if name in RECEIVED else SENT[name]


def _server() -> Json:
    variables = {"broker": {"description": "host:port of a broker: STREAMS_BROKER_URL", "default": "localhost:9092"}}
    return {"host": "{broker}", "protocol": "kafka", "protocolVersion": "4.0", "variables": variables}


def _channel(name: str, topic: Topic) -> Json:
    shown: Json = {"cleanup.policy": [topic.config["cleanup.policy"]]}
    shown |= {key: int(topic.config[key]) for key in SHOWN if key in topic.config}
    binding = {
        "topic": topic.name, "partitions": topic.partitions, "replicas": topic.replication,
        "topicConfiguration": shown, "bindingVersion": BINDING,
    }  # fmt: skip
    here = {found.name: {"$ref": f"#/components/messages/{found.name}"} for found in messages(name)}
    return {"address": topic.name, "messages": here, "bindings": {"kafka": binding}}


def _operation_name(name: str) -> str:
    return f"{'receive' if name in RECEIVED else 'send'}-{name}"


def _operation(name: str) -> Json:
    """Receive: others write there and we read; send: we write there and others may read."""
    return {
        "action": "receive" if name in RECEIVED else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{found.name}"} for found in messages(name)],
    }


def _message(message: Message) -> Json:
    notes = [ROW] if message.kind == ROW_TYPE and message.schema else []
    notes += ["A record without a value removes what its key stands for."] if message.removes else []
    made: Json = {"name": message.name, "summary": message.summary, "contentType": message.kind}
    if notes:
        made["description"] = " ".join(notes)
    if message.schema:
        made["payload"] = {"$ref": f"./{message.schema}"}
    key = {"type": "string", "description": message.key}
    return {**made, "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}}}


def text(settings: Settings) -> str:
    """The document as it lies in schemas/."""
    return json.dumps(document(settings), indent=2) + "\n"


if __name__ == "__main__":
    # The defaults, whatever the environment says.
    sys.stdout.write(text(Settings.model_construct()))
