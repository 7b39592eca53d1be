"""A destination that speaks no HTTP: connections and their bytes."""

import socket
import threading


class Peer:
    """Accepts connections until stop() and has `serve(socket)` on each, in a thread of its own; by TLS with a context."""

    def __init__(self, serve, context=None):
        self.serve, self.context, self.accepted = serve, context, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        with connection:
            try:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.serve(connection)
            except OSError:
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def echo(connection):
    """What it hears, and `bye` once it has heard all."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"bye")


def read_all(connection):
    out = b""
    while data := connection.recv(65536):
        out += data
    return out
