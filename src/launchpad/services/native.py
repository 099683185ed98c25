"""Services of this machine's own Python: a systemd user unit, a launchd agent. PURE."""

from __future__ import annotations

import plistlib

from launchpad.services.model import Generated, Service, ServiceFile
from launchpad.services.quoting import SUPERVISED, plain, quoted


def command(service: Service) -> list[str]:
    """The command line: no connection is made, and only this machine can reach it."""
    listen = ["--host", "127.0.0.1", "--port", str(service.port)]
    model = service.model_file or service.model
    return [service.python, "-m", "launchpad", "serve", model, *listen, *service.arguments, "--offline"]


def systemd(service: Service) -> Generated:
    """A unit for the user's own systemd. The guard ends the engine; systemd ends what could be left in the group."""
    environment = [
        f"Environment={quoted(f'{name}={value}')}" for name, value in sorted(service.environment.items())
    ]
    lines = [
        "[Unit]",
        f"Description=launchpad serves {plain(service.title)}",
        "",
        "[Service]",
        "Type=notify",  # started means that it answers (serve/readiness.py)
        "SyslogIdentifier=launchpad",
        f"ExecStart={' '.join(quoted(word) for word in command(service))}",
        *environment,
        *SUPERVISED,
        "KillMode=control-group",
        "TimeoutStopSec=30",
        "OOMPolicy=stop",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        "RestrictRealtime=yes",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    unit = f"{service.name}.service"
    place = "~/.config/systemd/user"
    return Generated(
        kind_of_service="systemd",
        files=(ServiceFile(name=unit, place=place, text="\n".join(lines)),),
        steps=(
            "systemctl --user daemon-reload",
            f"systemctl --user enable --now {unit}",
            f"journalctl --user -u {unit} -f",
            "loginctl enable-linger   # to have it run when you are not logged in",
        ),
    )


def launchd(service: Service) -> Generated:
    """An agent that starts when the user logs in and again when it fails."""
    label = f"models.{service.name.replace('@', '.')}"
    log = f"{service.home}/Library/Logs/{service.name}.log"
    agent = {
        "Label": label,
        "ProgramArguments": command(service),
        "EnvironmentVariables": dict(service.environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 30,
        "ProcessType": "Interactive",  # the others are throttled
        "StandardOutPath": log,
        "StandardErrorPath": log,
        "Umask": 0o077,
    }
    name = f"{label}.plist"
    place = "~/Library/LaunchAgents"
    return Generated(
        kind_of_service="launchd",
        files=(ServiceFile(name=name, place=place, text=plistlib.dumps(agent).decode()),),
        steps=(f"launchctl bootstrap gui/$(id -u) {place}/{name}", f"tail -f {log}"),
    )
