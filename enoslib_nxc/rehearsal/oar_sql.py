"""What is read from the database of a real OAR, and how it becomes jobs; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from enoslib_nxc.rehearsal.admission import Order
from enoslib_nxc.rehearsal.gantt import Hole
from enoslib_nxc.rehearsal.jobs import Job, State
from enoslib_nxc.rehearsal.oarsub import Request
from enoslib_nxc.rehearsal.resources import COLUMNS, Resource
from enoslib_nxc.rehearsal.walltime import Change

QUERY = """
SELECT json_build_object(
  'now', extract(epoch FROM clock_timestamp()),
  'hosts', (SELECT coalesce(json_object_agg(network_address, state), '{}') FROM (
    SELECT network_address, min(state) AS state FROM resources
    WHERE network_address <> '' GROUP BY network_address) AS nodes),
  'jobs', (SELECT coalesce(json_agg(row ORDER BY uid DESC), '[]') FROM (
    SELECT jobs.job_id AS uid, job_user AS user, job_name AS name, project,
      queue_name AS queue, coalesce(command, '') AS command,
      coalesce(properties, '') AS properties, reservation <> 'None' AS reserved, state,
      submission_time, jobs.start_time, stop_time, message, moldable_walltime AS walltime,
      gantt.start_time AS predicted, coalesce(pending, 0) AS pending,
      coalesce(granted, 0) AS granted, coalesce(delay_next_jobs, 'NO') = 'YES' AS delay,
      coalesce(granted_with_delay_next_jobs, 0) AS granted_delay,
      changes.job_id IS NOT NULL AS changed,
      EXISTS(SELECT 1 FROM assigned_resources WHERE moldable_job_id = moldable_id) AS held,
      ARRAY(SELECT type FROM job_types WHERE job_types.job_id = jobs.job_id
        ORDER BY job_type_id) AS types,
      ARRAY(SELECT type FROM event_logs WHERE event_logs.job_id = jobs.job_id
        ORDER BY event_id) AS events,
      ARRAY(SELECT resource_id FROM assigned_resources
        WHERE moldable_job_id = moldable_id
        UNION SELECT resource_id FROM gantt_jobs_resources
        WHERE moldable_job_id = moldable_id) AS resources
    FROM jobs JOIN moldable_job_descriptions AS moldable
      ON moldable.moldable_job_id = jobs.job_id
    LEFT JOIN gantt_jobs_predictions AS gantt ON gantt.moldable_job_id = moldable_id
    LEFT JOIN walltime_change AS changes ON changes.job_id = jobs.job_id) AS row))
"""
"""Jobs, with what g5k-api reads of them (oar/job.rb), and states of nodes, as one JSON value.

The tables are those of OAR 2.5.9 (pg_structure.sql).
"""


class JobRow(BaseModel):
    """A job as the query returns it; dates are seconds since the epoch, durations seconds.

    `changed` says whether another walltime was ever asked for, `held` whether the job holds
    or held resources.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    uid: int
    user: str
    name: str | None
    project: str
    queue: str
    command: str
    properties: str
    reserved: bool
    state: State
    submission_time: int
    start_time: int
    stop_time: int
    message: str
    walltime: int
    predicted: int | None
    pending: int
    granted: int
    delay: bool
    granted_delay: int
    changed: bool
    held: bool
    types: tuple[str, ...]
    events: tuple[str, ...]
    resources: frozenset[int]

    def job(self) -> Job:
        """Return the job that the row describes."""
        start = self.predicted or self.start_time
        change = Change(
            0,
            self.pending,
            self.granted,
            delay=self.delay,
            granted_delay=self.granted_delay,
        )
        return Job(
            self.uid,
            Order(
                user=self.user,
                name=self.name,
                project=self.project,
                queue=self.queue,
                types=self.types,
                command=self.command,
                properties=self.properties,
                # OAR's walltime is that after what was granted
                request=Request((), self.walltime - self.granted),
                reservation=self.start_time if self.reserved else None,
            ),
            self.submission_time,
            choose=lambda _free: None,
            state=self.state,
            planned=Hole(start, self.resources) if self.resources else None,
            started_at=self.start_time,
            stopped_at=self.stop_time,
            change=change if self.changed else None,
            message=self.message,
            events=self.events,
        )


class Snapshot(BaseModel):
    """What the database said at one moment.

    Args:
        now: that moment, seconds since the epoch.
        hosts: FQDN of a node -> OAR's state of it.
        jobs: all jobs, the newest first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    now: float = 0.0
    hosts: Mapping[str, str] = {}
    jobs: tuple[JobRow, ...] = ()


def read(text: str) -> Snapshot:
    """Read the answer to `QUERY`."""
    return Snapshot.model_validate_json(text)


OWN_COLUMNS = frozenset(
    {
        *("resource_id", "type", "network_address", "cpuset", "deploy", "besteffort"),
        *("desktop_computing", "drain"),
    }
)
"""Those of our columns that OAR's table of resources has from the start."""


def insertion(resources: Sequence[Resource]) -> str:
    """Return the SQL that gives an empty OAR its properties, as oarproperty, and resources.

    The database numbers them 1 and up, which is how they are numbered here.

    Args:
        resources: all of a site, in OAR's order.
    """
    added = [_column(name, resources) for name in sorted(COLUMNS - OWN_COLUMNS)]
    return "\n".join([*added, *(_insert(resource) for resource in resources)])


def _column(name: str, resources: Sequence[Resource]) -> str:
    number = any(isinstance(resource.row[name], int) for resource in resources)
    kind = "INT" if number else "VARCHAR(255)"
    return f"ALTER TABLE resources ADD COLUMN {name} {kind};"


def _insert(resource: Resource) -> str:
    row = {
        name: value if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
        for name, value in resource.row.items()
        if value is not None and name != "resource_id"
    }
    values = ", ".join(map(str, row.values()))
    return f"INSERT INTO resources ({', '.join(row)}) VALUES ({values});"  # noqa: S608 (ours)
