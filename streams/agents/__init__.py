"""The story in the order of the flow: user, video, topic. Each module declares a stage and its Faust agent."""

from streams.engine import lean_faust as lean_faust  # before any of them imports Faust
