"""What tests with several processes or threads share."""

import socket
import threading


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def beside(*tasks):
    """All at once; what fails in one of them fails here."""
    errors = []

    def run(task):
        try:
            task()
        except BaseException as error:  # an assertion, too
            errors.append(error)
    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
