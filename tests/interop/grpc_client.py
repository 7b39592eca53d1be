"""A client of gRPC made with grpcio, for tests: reads calls as lines of JSON, writes what came of each as a line.

A call: {"port", "method", "messages" (in Base64), "kind" ("uu", "us", "su", "ss", or "health"), "timeout", "metadata",
"root" and "name" (of a TLS server's certificate)}. Of "ss" each message is sent when the one before has been answered.
"""

import base64
import json
import queue
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
CHANNELS = {}


def channel_to(call):
    key = call["port"], call.get("root"), call.get("name")
    if key not in CHANNELS:
        target = f"127.0.0.1:{call['port']}"
        if call.get("root"):
            trust = grpc.ssl_channel_credentials(open(call["root"], "rb").read())
            CHANNELS[key] = grpc.secure_channel(target, trust, OPTIONS + [("grpc.ssl_target_name_override", call["name"])])
        else:
            CHANNELS[key] = grpc.insecure_channel(target, OPTIONS)
    return CHANNELS[key]


def talk(method, messages, keywords):
    """One message at a time, each behind the answer to the one before."""
    outgoing = queue.Queue()
    answers = method(iter(outgoing.get, None), **keywords)
    heard = []
    for message in messages:
        outgoing.put(message)
        heard.append(next(answers))
    outgoing.put(None)
    heard += list(answers)
    return heard, answers


def do(call):
    channel = channel_to(call)
    messages = [base64.b64decode(m) for m in call.get("messages", [])]
    keywords = {"timeout": call.get("timeout", 20), "metadata": [tuple(m) for m in call.get("metadata", [])]}
    kind = call.get("kind", "uu")
    if kind == "health":
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=messages[0].decode()), **keywords)
        return {"code": 0, "health": health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}
    name = {"uu": "unary_unary", "us": "unary_stream", "su": "stream_unary", "ss": "stream_stream"}[kind]
    method = getattr(channel, name)(call["method"])
    if kind == "ss":
        heard, rpc = talk(method, messages, keywords)
    elif kind == "us":
        rpc = method(messages[0], **keywords)
        heard = list(rpc)
    else:
        answer, rpc = method.with_call(messages[0] if kind == "uu" else iter(messages), **keywords)
        heard = [answer]
    return {"code": 0, "messages": [base64.b64encode(m).decode() for m in heard],
            "initial": list(map(list, rpc.initial_metadata())), "trailing": list(map(list, rpc.trailing_metadata()))}


for line in sys.stdin:
    try:
        said = do(json.loads(line))
    except grpc.RpcError as error:
        said = {"code": error.code().value[0], "details": error.details(), "trailing": list(map(list, error.trailing_metadata() or []))}
    print(json.dumps(said, default=lambda value: value.decode("latin-1")), flush=True)
