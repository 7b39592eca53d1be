"""The service of examples/grpc-json, made with grpcio: `library_server.py SET`, a file with its set of descriptors. Says its port on stdout.

Book 7 is there; of others there is none, and book 8 says why with details.
"""

import concurrent.futures
import sys

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

DESCRIPTORS = descriptor_pb2.FileDescriptorSet.FromString(open(sys.argv[1], "rb").read())
POOL = descriptor_pool.DescriptorPool()
for file in DESCRIPTORS.file:
    POOL.Add(file)


def message_class(name):
    descriptor = POOL.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):  # since protobuf 4.22
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(POOL).GetPrototype(descriptor)


Book, BookRequest, AddBookRequest, Count = (message_class(f"library.{n}") for n in ("Book", "BookRequest", "AddBookRequest", "Count"))
HttpBody = message_class("google.api.HttpBody")


def get_book(request, context):
    context.set_trailing_metadata([("x-path", dict(context.invocation_metadata()).get("x-envoy-original-path", "-"))])
    if request.id == 8:
        details = any_pb2.Any(type_url="type.googleapis.com/library.Book", value=Book(id=8).SerializeToString())
        # google.rpc.Status: code 5, details
        packed = details.SerializeToString()
        context.set_trailing_metadata([("grpc-status-details-bin", b"\x08\x05\x1a" + bytes([len(packed)]) + packed)])
    if request.id != 7:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such book")
    return Book(id=7, title=f"one of {request.shelf}")


def list_books(request, _context):
    for number in range(3):
        yield Book(id=number, tags=[request.tag] if request.tag else [])


def add_book(request, _context):
    request.book.tags.append(request.shelf)
    return request.book


def add_books(requests, _context):
    return Count(added=sum(1 for book in requests if book.title))


def get_cover(_request, _context):
    return HttpBody(content_type="image/x-test", data=bytes(range(256)))


def handler(kind, function, request):
    return getattr(grpc, f"{kind}_rpc_method_handler")(function, request.FromString, lambda message: message.SerializeToString())


HANDLERS = {"GetBook": handler("unary_unary", get_book, BookRequest), "ListBooks": handler("unary_stream", list_books, BookRequest),
            "AddBook": handler("unary_unary", add_book, AddBookRequest), "AddBooks": handler("stream_unary", add_books, Book),
            "GetCover": handler("unary_unary", get_cover, BookRequest)}


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("library.Library", HANDLERS)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


main()
