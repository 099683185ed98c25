"""The command table: name -> (module:attribute, help). Nothing is imported before it is used."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("launchpad.cli.run:run", "Pick the best model that fits, pull it, start it, chat."),
    "chat": ("launchpad.cli.chat:chat", "Chat with a model, and go on with earlier conversations."),
    "sessions": ("launchpad.cli.sessions:sessions", "List, export and remove conversations."),
    "serve": ("launchpad.cli.serve:serve", "Serve models at one OpenAI-compatible address."),
    "connect": ("launchpad.cli.connect:connect", "Point a coding agent at the running gateway, and back."),
    "env": ("launchpad.cli.env:env", "Print the variables that point programs at the running gateway."),
    "start": ("launchpad.cli.start:start", "Load a model and leave it loaded for the next `run`."),
    "ps": ("launchpad.cli.engines:ps", "List the engines that run."),
    "stop": ("launchpad.cli.engines:stop", "Stop an engine, or all."),
    "restart": ("launchpad.cli.engines:restart", "Stop a kept engine and start it again as it was."),
    "logs": ("launchpad.cli.engines:logs", "Show what an engine wrote."),
    "engines": ("launchpad.cli.engine_programs:engines", "List the engines that are here, or install one."),
    "test": ("launchpad.cli.test:test", "Run prompt files (*.prompt.yml) and report what their checks say."),
    "lint": ("launchpad.cli.lint:lint", "Check prompt files without running them."),
    "batch": ("launchpad.cli.batch:batch", "Answer the requests of an OpenAI batch file (JSONL)."),
    "transcript": ("launchpad.cli.transcript:transcript", "Export transcripts of prompt files."),
    "recommend": ("launchpad.cli.recommend:recommend", "Show the best models for this machine, or another."),
    "plan": ("launchpad.cli.plan:plan", "Show what `run` would do, step by step."),
    "fit": ("launchpad.cli.fit:fit", "Show how much memory a model needs and how fast it would be."),
    "explain": (
        "launchpad.cli.explain:explain",
        "Explain a model's memory, speed and quality, and what would make it fit.",
    ),
    "bench": ("launchpad.cli.bench:bench", "Measure how fast a model is here, beside the prediction."),
    "models": ("launchpad.cli.models:models", "List the models of the catalog."),
    "catalog": ("launchpad.cli.catalog:catalog", "Show, refresh and extend the catalogs of models."),
    "landscape": ("launchpad.cli.landscape:landscape", "Show which model leads at each size."),
    "hardware": (
        "launchpad.cli.hardware:hardware",
        "Show what is known about this machine, with the evidence.",
    ),
    "pull": ("launchpad.cli.pull:pull", "Fetch and verify a model without starting it."),
    "list": ("launchpad.cli.list:list_models", "List the models on this machine."),
    "inspect": ("launchpad.cli.inspect:inspect", "Show what a model's file says, and its chat template."),
    "verify": ("launchpad.cli.verify:verify", "Hash the models on this machine again."),
    "du": ("launchpad.cli.du:du", "Show what the models on this machine take on the disk."),
    "gc": ("launchpad.cli.gc:gc", "Remove unfinished pulls and what no model uses."),
    "bundle": ("launchpad.cli.bundle:bundle", "Move a model to a machine without a network."),
    "rm": ("launchpad.cli.rm:rm", "Remove a model from this machine."),
    "generate": (
        "launchpad.cli.generate:generate",
        "Write service files: systemd, quadlet, launchd, compose.",
    ),
    "cluster": ("launchpad.cli.cluster:cluster", "Write what starts a plan on a cluster of machines."),
    "doctor": (
        "launchpad.cli.doctor:doctor",
        "Check this machine and installation, with evidence and fixes.",
    ),
    "plugins": ("launchpad.cli.plugins:plugins", "List the plugins and what went wrong with them."),
    "config": ("launchpad.cli.config:config", "Show and change the configuration."),
    "completion": (
        "launchpad.cli.completion:completion",
        "Print the script that makes a shell complete names.",
    ),
}

HEADINGS: Mapping[str, str] = {
    "run": "Talk",
    "serve": "Serve other programs",
    "start": "Engines",
    "test": "Prompt files",
    "recommend": "Choose a model",
    "pull": "Models on this machine",
    "generate": "Deploy",
    "doctor": "Maintain",
}
"""The headings of `--help`, each by the first command that stands under it."""
