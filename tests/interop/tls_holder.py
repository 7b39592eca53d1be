"""Many connections by TLS at once, for tests: `tls_holder.py PORT CA NAME COUNT`. Opens them and says so with a line of JSON; then for each line
of its stdin it sends a request on each and says how many were answered.
"""

import json
import socket
import ssl
import sys


def ask(connection, name):
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    return connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def main():
    port, trust, name, count = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    made, held = ssl.create_default_context(cafile=trust), []
    while len(held) < count:
        plain = socket.create_connection(("127.0.0.1", port), 60)
        held.append(made.wrap_socket(plain, server_hostname=name))
    print(json.dumps({"open": len(held)}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"answered": sum(ask(connection, name) for connection in held)}), flush=True)


main()
