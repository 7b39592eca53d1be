"""A proxy that is asked by CONNECT of HTTP/2, in python3-h2, and goes on to 127.0.0.1 whatever the host's name is.

    http2_proxy.py STATUS [CERTIFICATE KEY]

Says on its stdout, as a line of JSON each, its port, that it has a connection (`null`), and the fields of each CONNECT. At SIGUSR1 it closes
all connections."""

import json
import signal
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions


def say(what):
    print(json.dumps(what), flush=True)


class Connection:
    """Of a client; streams that were connected have sockets of their own."""

    def __init__(self, client, status):
        self.client, self.status, self.lock, self.far = client, status, threading.Condition(), {}
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8", validate_inbound_headers=False))  # it knows no CONNECT

    def run(self):
        with self.lock:
            self.h2.initiate_connection()
            self.flush()
        while data := self.client.recv(65536):
            with self.lock:
                for event in self.h2.receive_data(data):
                    self.take(event)
                self.flush()
                self.lock.notify_all()

    def flush(self):
        self.client.sendall(self.h2.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.connect(event.stream_id, dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self.far[event.stream_id].sendall(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self.far:
            self.far[event.stream_id].shutdown(socket.SHUT_WR)
        elif isinstance(event, h2.events.StreamReset) and event.stream_id in self.far:
            self.far[event.stream_id].close()

    def connect(self, stream, fields):
        say(fields)
        self.h2.send_headers(stream, [(":status", str(self.status))], end_stream=self.status != 200)
        if self.status == 200:
            self.far[stream] = socket.create_connection(("127.0.0.1", int(fields[":authority"].rpartition(":")[2])))
            threading.Thread(target=self.back, args=(stream,), daemon=True).start()

    def back(self, stream):
        """What the far end says, within the windows."""
        try:
            while data := self.far[stream].recv(16384):
                while data:
                    with self.lock:
                        while not (room := min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)):
                            self.lock.wait()
                        self.h2.send_data(stream, data[:room])
                        self.flush()
                    data = data[room:]
            with self.lock:
                self.h2.end_stream(stream)
                self.flush()
        except (OSError, h2.exceptions.ProtocolError):
            pass  # the stream is over


def main():
    status, certificate = int(sys.argv[1]), sys.argv[2:]
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.set_alpn_protocols(["h2"])
    connections = []

    def serve(client):
        try:
            if context:
                client = context.wrap_socket(client, server_side=True)
            connections.append(client)
            say(None)
            Connection(client, status).run()
        except OSError:
            pass

    def close_all(*_):
        while connections:
            try:
                connections.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    signal.signal(signal.SIGUSR1, close_all)
    listener = socket.create_server(("127.0.0.1", 0))
    say(listener.getsockname()[1])
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


main()
