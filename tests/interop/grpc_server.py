"""A server of gRPC made with grpcio, for tests: `grpc_server.py [CERTIFICATE KEY]`. Says its port on stdout.

Messages are bytes as they are. /test.Echo has a method of each kind, and grpc.health.v1 is there.
"""

import concurrent.futures
import sys
import threading

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

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


def chat(messages, _context):
    for message in messages:
        yield message.upper()


def wait(_message, context):
    """Until the caller or a deadline ends it."""
    over = threading.Event()
    context.add_callback(over.set)
    over.wait()
    return b""


CALLS = 0


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
            "Flaky": grpc.unary_unary_rpc_method_handler(flaky)}


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=OPTIONS)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", HANDLERS)])
    checks = health.HealthServicer()
    checks.set("test.Echo", health_pb2.HealthCheckResponse.SERVING)
    checks.set("test.Other", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if len(sys.argv) > 2:
        certificate, key = (open(name, "rb").read() for name in sys.argv[1:3])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


main()
