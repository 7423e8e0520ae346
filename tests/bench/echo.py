"""A server that answers 200 to whatever arrives, to see how much the load generator can send. Prints its port."""

from __future__ import annotations

import select
import socket

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"success":true}'


def main() -> None:
    """Serve until somebody ends the process."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    poller = select.epoll()
    poller.register(listener.fileno(), select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    while True:
        for number, _ in poller.poll():
            if number == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poller.register(connection.fileno(), select.EPOLLIN)
            elif connections[number].recv(65_536):
                connections[number].sendall(ANSWER)
            else:
                poller.unregister(number)
                connections.pop(number).close()


if __name__ == "__main__":
    main()
