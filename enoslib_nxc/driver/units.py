"""The calls of a test script on systemd's units."""

from __future__ import annotations

import shlex

from enoslib_nxc.driver.machine import CALL_SECONDS, Commands

NO_JOBS = "No jobs"
"""What `systemctl list-jobs` begins with when systemd has nothing under way."""


class Machine(Commands):
    """A machine in a test script."""

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        """Run systemctl.

        Args:
            q: its arguments, text for bash.
            user: whose units; the system's when None.

        Returns:
            Exit status and standard output.
        """
        with self.step(f"systemctl {q}"):
            return self._systemctl(q, user)

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        """Return the properties of a unit, as `systemctl show` has them."""
        status, lines = self._systemctl(f"--no-pager show {shlex.quote(unit)}", user)
        if status:
            raise self.failure(f"systemctl show {unit} failed with exit code {status}", lines)
        pairs = (line.partition("=") for line in lines.splitlines())
        return {key: value for key, mark, value in pairs if mark}

    def wait_for_unit(
        self, unit: str, user: str | None = None, timeout: float = CALL_SECONDS
    ) -> None:
        """Wait until a unit is active.

        Args:
            unit: its name.
            user: whose unit; the system's when None.
            timeout: seconds.

        Raises:
            ScriptError: it failed, there is none of that name, it is inactive while systemd
                has nothing to do, or the time is over.
        """

        def look(_left: float) -> str:
            state = self._state(unit, user)
            if state == "failed":
                raise self.failure(f"unit {unit} failed", self._account(unit, user))
            idle = state == "inactive" and NO_JOBS in self._systemctl("list-jobs", user)[1]
            # what was under way may have been this unit, which is active by now
            if idle:
                self._require_not_idle(unit, user)
            return "" if state == "active" else f"it is {state}"

        with self.step(f"wait for unit {unit}"):
            self.until(look, timeout, f"unit {unit} is active")

    def wait_for_job(self, jobname: str) -> None:
        """Wait until a unit is active; the older name of `wait_for_unit`."""
        self.wait_for_unit(jobname)

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        """Check the state of a unit, as it is now.

        Args:
            unit: its name.
            require_state: active, inactive, failed ...
        """
        with self.step(f"unit {unit} must be {require_state}"):
            state = self._state(unit, None)
            if state != require_state:
                brief = f"unit {unit} is {state}, not {require_state}"
                raise self.failure(brief, self._account(unit, None))

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Start a unit; return systemctl's exit status and output."""
        return self.systemctl(f"start {shlex.quote(jobname)}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Stop a unit; return systemctl's exit status and output."""
        return self.systemctl(f"stop {shlex.quote(jobname)}", user)

    def _systemctl(self, q: str, user: str | None) -> tuple[int, str]:
        if user is None:
            answer = self.answer(f"systemctl {q}", None)
        else:
            inner = f"XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user {q}"
            words = ["su", "-l", user, "--shell", "/bin/sh", "-c", inner]
            answer = self.answer(shlex.join(words), None)
        return answer.status, answer.output

    def _state(self, unit: str, user: str | None) -> str:
        return self.get_unit_info(unit, user).get("ActiveState", "unknown")

    def _require_not_idle(self, unit: str, user: str | None) -> None:
        """Refuse a unit that is inactive although systemd has nothing to do."""
        info = self.get_unit_info(unit, user)
        if info.get("ActiveState") != "inactive":
            return
        if info.get("LoadState") == "not-found":
            raise self.failure(f"there is no unit {unit}")
        brief = f"unit {unit} is inactive, and systemd has nothing to do"
        raise self.failure(brief, self._account(unit, user))

    def _account(self, unit: str, user: str | None) -> str:
        """Return what systemctl tells of a unit, its last lines of log included."""
        return self._systemctl(f"--no-pager --lines=20 status {shlex.quote(unit)}", user)[1]
