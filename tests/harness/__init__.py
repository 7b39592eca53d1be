"""What the end-to-end tests and the demo are made of: parts that start on free loopback ports and stop by their ids.

Only Python's standard library. Nothing here sleeps for a time that a test depends on: `until` polls for what is awaited.
"""
