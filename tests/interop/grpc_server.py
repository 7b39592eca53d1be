"""A server of gRPC made with grpcio, for tests: `grpc_server.py [CERTIFICATE KEY]`. Says its port on stdout.

Messages are bytes as they are. /test.Echo has a method of each kind, and grpc.health.v1 is there.
"""

import concurrent.futures
import sys
import threading

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def unary(message, context):
    """Gives the message back, with what it was told of the caller."""
    told = dict(context.invocation_metadata())
    context.send_initial_metadata([("x-initial", told.get("x-say", "-"))])
    context.set_trailing_metadata([("x-trailer", "end"), ("x-time-left", str(context.time_remaining() is not None))])
    return message


def fail(message, context):
    context.set_trailing_metadata([("x-trailer", "failed")])
    context.abort(next(code for code in grpc.StatusCode if code.value[0] == int(message)), "no 5% w\u00e4y")


def split(message, _context):
    for byte in message:
        yield bytes([byte])


def join(messages, _context):
    return b"".join(messages)


CALLS = WAITING = LEFT = 0


def chat(messages, _context):
    global LEFT
    try:
        for message in messages:
            yield message.upper()
    except Exception:
        LEFT += 1
        raise


def wait(_message, context):
    """Until the caller or a deadline ends it."""
    global WAITING, LEFT
    over = threading.Event()
    context.add_callback(over.set)
    WAITING += 1
    over.wait()
    WAITING -= 1
    LEFT += 1
    return b""


def counts(_message, _context):
    """How many calls wait, and how many their callers have left."""
    return f"{WAITING} {LEFT}".encode()


def give_up(message, context):
    """One message, and then an error."""
    yield message
    context.abort(grpc.StatusCode.DATA_LOSS, "lost")


def flaky(message, context):
    """Every other call is refused."""
    global CALLS
    CALLS += 1
    if CALLS % 2:
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
    return message


HANDLERS = {"Unary": grpc.unary_unary_rpc_method_handler(unary), "Fail": grpc.unary_unary_rpc_method_handler(fail),
            "Split": grpc.unary_stream_rpc_method_handler(split), "Join": grpc.stream_unary_rpc_method_handler(join),
            "Chat": grpc.stream_stream_rpc_method_handler(chat), "Wait": grpc.unary_unary_rpc_method_handler(wait),
            "GiveUp": grpc.unary_stream_rpc_method_handler(give_up), "Counts": grpc.unary_unary_rpc_method_handler(counts),
            "Flaky": grpc.unary_unary_rpc_method_handler(flaky)}

# The service as field 1 of the request -> the status as field 1 of the answer: SERVING is 1, NOT_SERVING is 2.
STATES = {b"": b"\x08\x01", b"\x0a\x09test.Echo": b"\x08\x01", b"\x0a\x0atest.Other": b"\x08\x02"}


def check(request, context):
    if request not in STATES:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
    return STATES[request]


def watch(request, context):
    """The state now; it never changes."""
    yield STATES[request]
    wait(request, context)


HEALTH = {"Check": grpc.unary_unary_rpc_method_handler(check), "Watch": grpc.unary_stream_rpc_method_handler(watch)}


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=OPTIONS)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", HANDLERS)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", HEALTH)])
    if len(sys.argv) > 2:
        certificate, key = (open(name, "rb").read() for name in sys.argv[1:3])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


main()
