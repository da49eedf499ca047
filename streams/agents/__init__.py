"""The story in the order of the flow: user, video, topic. Each module declares a stage and its Faust agent."""
