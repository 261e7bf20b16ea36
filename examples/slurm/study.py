"""The pattern of Melissa: a server, in a job, has Slurm run clients and reduces what they send.

study serve CLIENTS       print what CLIENTS clients found
study client HOST PORT    estimate pi, tell the server at HOST:PORT
"""

import os
import random
import socket
import subprocess
import sys

SECONDS = 600
"""Until the next client must have come."""

POINTS = 200_000


def serve(clients: int) -> None:
    """Submit an array of clients as one job, and print the mean of what they send."""
    with socket.create_server(("", 0)) as listener:
        listener.settimeout(SECONDS)
        port = listener.getsockname()[1]
        submit(clients, f"{sys.argv[0]} client {socket.gethostname()} {port}")
        found = [float(receive(listener)) for _ in range(clients)]
    print(f"{clients} clients, pi is about {sum(found) / clients:.3f}")


def submit(clients: int, command: str) -> None:
    """Submit a job array of its own: with Slurm's variables it would take after this job."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
    words = [f"--array=1-{clients}", "--job-name=clients", "--output=/dev/null", "--chdir=/"]
    subprocess.run(["sbatch", "--quiet", *words, "--wrap", command], env=own, check=True)


def receive(listener: socket.socket) -> str:
    """Return what the next client says."""
    connection, _ = listener.accept()
    with connection, connection.makefile() as lines:
        connection.settimeout(SECONDS)
        return lines.readline()


def client(host: str, port: int) -> None:
    """Estimate pi by the share of random points that fall into a circle."""
    inside = sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(POINTS))
    with socket.create_connection((host, port), timeout=SECONDS) as connection:
        connection.sendall(f"{4 * inside / POINTS}\n".encode())


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        client(sys.argv[2], int(sys.argv[3]))
