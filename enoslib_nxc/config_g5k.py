"""Grid'5000, as the user asked for it: the section `g5k`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from enoslib_nxc.config_types import Section, UserPath, Word, refusal
from enoslib_nxc.mistakes import Mistake, show

RESERVATION_FORMAT = "%Y-%m-%d %H:%M:%S"
"""OAR's dates, in the sites' time (EnOSlib's schema, "reservation")."""


class G5k(Section):
    """Grid'5000, through OAR and Kadeploy (flavours g5k-...).

    Keys that EnOSlib's provider has mean the same here.
    """

    cluster: Word | None = Field(
        None, description="cluster of every role that names neither cluster nor servers"
    )
    walltime: Annotated[str, Field(pattern=r"^\d{1,4}:[0-5]\d:[0-5]\d$")] = Field(
        "02:00:00", description="HH:MM:SS that the machines are reserved for"
    )
    queue: Literal["default", "production", "testing", "besteffort", "admin"] = Field(
        "default", description="OAR's queue"
    )
    project: Word | None = Field(None, description="team that the use is accounted to")
    job_type: tuple[Word, ...] = Field(
        (), description='further OAR job types, a list; "deploy" is added where it is needed'
    )
    reservation: str | None = Field(
        None, description="start, YYYY-mm-dd HH:MM:SS in the sites' time; now when absent"
    )
    monitor: Word | None = Field(
        None, description="metrics to record on demand, such as prom_.*"
    )
    oargrid_jobids: tuple[tuple[Word, Annotated[int, Field(strict=True, ge=1)]], ...] | None = (
        Field(None, description="jobs to use instead of reserving: [[SITE, ID], ...]")
    )
    env_name: Word | None = Field(
        None,
        description="environment to deploy before kexec; needed on a kavlan. The standard "
        "one is left by kexec when absent",
    )
    env_version: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        None, description="version of env_name"
    )
    push: Literal["auto", "nfs", "http", "taktuk", "send"] = Field(
        "auto",
        description="how kernel and initrd get to the nodes: nfs: staged once in the site's "
        "home, read there; http: staged in the public directory, fetched; taktuk: staged, "
        "and spread over ssh by the site's TakTuk; send: over ssh, by TakTuk where it is, else "
        "from here to each; auto: the first that works",
    )
    frontend: Word = Field(
        "{site}.grid5000.fr", description="machine of a site that the home is written on"
    )
    gateway: Word = Field(
        "auto",
        description="host to jump through; auto: access.grid5000.fr outside Grid'5000; "
        "no: none",
    )
    ssh_config: UserPath | None = Field(
        None,
        description="ssh configuration that leads to Grid'5000, instead of the user's own",
    )
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] = Field(
        "http://public.{site}.grid5000.fr/~{login}",
        description="where a site serves the directory public of the home, inside Grid'5000",
    )
    nfs_home: Annotated[str, Field(pattern=r"^[^\s:]+:/\S*$")] = Field(
        "nfs.{site}.grid5000.fr:/export/home/{login}",
        description="HOST:DIR that is the home by NFS, for the store of g5k-nfs-store",
    )
    nfs_store: Annotated[str, Field(pattern=r"^[\w.-]+:/\S*$")] | None = Field(
        None,
        description="HOST:DIR that has the store for g5k-nfs-store; staged in the site's home "
        "when absent",
    )

    @field_validator("job_type", mode="before")
    @classmethod
    def _accept_one(cls, given: object) -> object:
        """Accept one type alone, as EnOSlib's dictionaries do."""
        return (given,) if isinstance(given, str) else given

    @field_validator("reservation")
    @classmethod
    def _is_a_date(cls, given: str | None) -> str | None:
        try:
            if given is not None:
                datetime.strptime(given, RESERVATION_FORMAT)
        except ValueError:
            raise refusal(Mistake("", f"{show(given)} is no date")) from None
        return given

    @model_validator(mode="after")
    def _agree(self) -> G5k:
        if self.env_version is not None and self.env_name is None:
            raise refusal(Mistake("env_version", "it needs env_name"))
        seconds = walltime_seconds(self.walltime)
        if not seconds:
            raise refusal(Mistake("walltime", "no time at all"))
        return self


def walltime_seconds(text: str) -> int:
    """Return the seconds of a walltime.

    Args:
        text: HH:MM:SS, as the configuration has checked it.
    """
    hours, minutes, seconds = map(int, text.split(":"))
    return hours * 3600 + minutes * 60 + seconds
