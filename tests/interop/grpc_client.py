"""A client of gRPC made with grpcio, for tests: reads calls as lines of JSON, writes what came of each as a line.

A call: {"port", "method", "messages" (in Base64), "kind" ("uu", "us", "su", "ss", or "health"), "timeout", "metadata",
"root" and "name" (of a TLS server's certificate), "leave": "first" (the client cancels when it has one message) or "told" (at the next
line)}. Of "ss" each message is sent when the one before has been answered.
"""

import base64
import json
import queue
import sys

import grpc

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


def talk(method, messages, keywords, hear):
    """One message at a time, each behind the answer to the one before."""
    outgoing = queue.Queue()
    answers = method(iter(outgoing.get, None), **keywords)
    for message in messages:
        outgoing.put(message)
        hear(next(answers), answers)
    outgoing.put(None)
    for answer in answers:
        hear(answer, answers)
    return answers


def do(call, heard):
    channel = channel_to(call)
    messages = [base64.b64decode(m) for m in call.get("messages", [])]
    keywords = {"timeout": call.get("timeout", 20), "metadata": [tuple(m) for m in call.get("metadata", [])]}
    kind = call.get("kind", "uu")
    if kind == "health":
        # grpc.health.v1: a request has the service as its field 1, an answer the status.
        request = b"\x0a" + bytes([len(messages[0])]) + messages[0] if messages[0] else b""
        answer = channel.unary_unary("/grpc.health.v1.Health/Check")(request, **keywords)
        return {"health": {b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}[answer]}

    def hear(message, rpc):
        heard.append(base64.b64encode(message).decode())
        if call.get("leave") == "first":
            rpc.cancel()
    name = {"uu": "unary_unary", "us": "unary_stream", "su": "stream_unary", "ss": "stream_stream"}[kind]
    method = getattr(channel, name)(call["method"])
    if kind == "ss":
        rpc = talk(method, messages, keywords, hear)
    elif kind == "us":
        rpc = method(messages[0], **keywords)
        for message in rpc:
            hear(message, rpc)
    else:
        rpc = method.future(messages[0] if kind == "uu" else iter(messages), **keywords)
        if call.get("leave") == "told":
            sys.stdin.readline()
            rpc.cancel()
        hear(rpc.result(), rpc)
    return {"initial": list(map(list, rpc.initial_metadata())), "trailing": list(map(list, rpc.trailing_metadata()))}


def all_of(call):
    heard = []
    try:
        said = {"code": 0, **do(call, heard)}
    except grpc.FutureCancelledError:
        said = {"code": 1}
    except grpc.RpcError as error:
        said = {"code": error.code().value[0], "details": error.details(), "trailing": list(map(list, error.trailing_metadata() or []))}
    return {**said, "messages": heard}


while line := sys.stdin.readline():
    print(json.dumps(all_of(json.loads(line)), default=lambda value: value.decode("latin-1")), flush=True)
