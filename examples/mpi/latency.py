"""Time the way from the first process of an MPI program to each other one, and back."""

import socket
import time

from mpi4py import MPI

REPETITIONS = 1000

world = MPI.COMM_WORLD
hosts = world.gather(socket.gethostname())
if world.rank == 0:
    print(f"{world.size} processes on {', '.join(hosts)}")
for peer in range(1, world.size):
    world.barrier()
    started = time.perf_counter()
    for _ in range(REPETITIONS if world.rank in (0, peer) else 0):
        if world.rank == 0:
            world.send(None, dest=peer)
            world.recv(source=peer)
        else:
            world.recv(source=0)
            world.send(None, dest=0)
    if world.rank == 0:
        taken = (time.perf_counter() - started) / REPETITIONS
        print(f"{hosts[0]} to {hosts[peer]} and back: {taken * 1e6:.1f} microseconds")
