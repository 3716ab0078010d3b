"""From Redis into the fan-out core.

`interest` says which channels, `pubsub_link` keeps the connection, and `subscriber` reads best-effort events from it.
`live_interest` says which rooms, `live_subscriber` follows them: one `room_cursor` each, with its `room_ring`;
`room_feed` submits, `room_check` finds what is missing, `room_repair` reads it from history. `drop_rate` watches.
"""
