"""An experiment in three steps, each a command of its own.

python tasks.py up
python tasks.py emulate
python tasks.py validate
"""

import logging

import click
import enoslib as en

en.init_logging(level=logging.INFO)

provider_conf = {
    "job_name": "enoslib-examples",
    "job_type": [],
    "walltime": "00:30:00",
    "resources": {
        "machines": [
            {"roles": ["control"], "cluster": "paradoxe", "nodes": 1, "primary_network": "n1"},
            {"roles": ["compute"], "cluster": "paradoxe", "nodes": 1, "primary_network": "n1"},
        ],
        "networks": [{"id": "n1", "type": "prod", "roles": ["my_network"], "site": "rennes"}],
    },
}

network_constraints = {
    "default_network": "my_network",
    "default_delay": "20ms",
    "default_rate": "1gbit",
    "groups": ["control", "compute"],
}


@click.group()
def cli():
    """Say what a step does with --help."""


@cli.command()
@click.option("--force", is_flag=True, help="start the machines anew")
@en.enostask(new=True)
def up(force, env=None, **kwargs):
    """Get the machines."""
    conf = en.G5kConf.from_dictionary(provider_conf)
    provider = en.G5k(conf)
    roles, networks = provider.init(force_deploy=force)
    env["roles"] = en.sync_info(roles, networks)
    env["networks"] = networks
    env["provider"] = provider


@cli.command()
@en.enostask()
def emulate(env=None, **kwargs):
    """Emulate the network."""
    netem = en.NetemHTB.from_dict(network_constraints, env["roles"], env["networks"])
    netem.deploy()


@cli.command()
@en.enostask()
def validate(env=None, **kwargs):
    """Measure the network; what fping says is kept in _tmp_enos_."""
    netem = en.NetemHTB.from_dict(network_constraints, env["roles"], env["networks"])
    for result in netem.validate(networks=env["networks"]["my_network"]):
        print(result.stdout)


@cli.command()
@en.enostask()
def destroy(env=None, **kwargs):
    """Give the machines back."""
    env["provider"].destroy()


if __name__ == "__main__":
    cli()
