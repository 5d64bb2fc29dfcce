"""Tells others when somebody is seen: by webhook and by MQTT.

`follow` reads what the matcher has committed and writes into the `outbox` what is worth telling;
for each receiver a thread of `service` takes it from there, in order, and delivers it at least
once. The outbox is a file of its own in ``data_dir``: whatever dies goes on where it was. The
store is only read, so nothing here disturbs anybody.
"""
