"""What TensorBoard would show of a folder: event files read back with the library's own protocol buffers."""

import struct

from tensorboardX.proto import event_pb2


def events(folder):
    """Every event, in the order of the files and within them."""
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield event_pb2.Event.FromString(data[12 : 12 + length])
            data = data[12 + length + 4 :]


def scalars(folder):
    """By tag the pairs of step and value; what a later session says it starts again from is purged, as there."""
    found = {}
    for event in events(folder):
        if event.session_log.status == event.session_log.START:
            for tag, points in found.items():
                found[tag] = [point for point in points if point[0] < event.step]
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found
