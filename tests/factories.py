"""Small builders of data for tests: one call, sensible figures, overridden by name."""

from __future__ import annotations

from launchpad.catalog.model import Build, Capabilities, License, LocalModel, Model, Quality
from launchpad.choice.choose import Availability, Candidate
from launchpad.fit.result import Band, DeviceMemory, Fit, Placement, Settings, Speed, Term

GIB = 1 << 30


def model(name: str, quality: float | None = 50.0, *, spread: float = 0.0, **fields: object) -> Model:
    """A model of the given quality."""
    figure = None if quality is None else Quality(value=quality, spread=spread, measurements=5)
    terms = {
        "id": name,
        "name": name.upper(),
        "lab": "Lab",
        "lab_id": "lab",
        "country": "FR",
        "license": License(id="apache-2.0", spdx="Apache-2.0", kind="osi"),
        "quality": figure,
        "capabilities": Capabilities(thinking="none"),
    }
    return Model(**{**terms, **fields})  # type: ignore[arg-type]


def build(name: str, quantization: str = "Q4_K_M", size: int | None = 4 * GIB, scheme: str = "hf") -> Build:
    """A GGUF build of that model."""
    return Build(
        ref=f"{scheme}://org/{name}:{quantization}", format="gguf", quantization=quantization, size=size
    )


def fit(
    model_id: str = "m",
    *,
    verdict: str = "fits",
    speed: float | None = 20.0,
    memory: int = 5 * GIB,
    kind: str = "cpu",
    why: str | None = None,
    context: int = 4096,
    backend: str = "llamacpp",
) -> Fit:
    """A fit with one device."""
    band = None if speed is None else Band(low=speed * 0.75, value=speed, high=speed * 1.25)
    return Fit(
        model_id=model_id,
        build="",
        backend=backend,
        settings=Settings(context=context),
        placement=Placement(kind=kind, layers=10),  # type: ignore[arg-type]
        devices=(
            DeviceMemory(
                device="cpu", terms=(Term(name="weights", bytes=memory, basis="exact"),), free=16 * GIB
            ),
        ),
        verdict=verdict,  # type: ignore[arg-type]
        speed=Speed(decode=band),
        why=why,
    )


def candidate(
    name: str,
    quality: float | None = 50.0,
    *,
    availability: Availability | None = None,
    quantization: str = "Q4_K_M",
    size: int | None = 4 * GIB,
    loss: float | None = 0.0,
    spread: float = 0.0,
    thinking: str = "none",
    quality_fast: float | None = None,
    **fits: object,
) -> Candidate:
    """A candidate that runs and can be had, unless told otherwise."""
    made = model(name, quality, spread=spread, capabilities=Capabilities(thinking=thinking))
    if quality_fast is not None and quality is not None:
        figure = Quality(value=quality, spread=spread, value_fast=quality_fast)
        made = model(name, quality, capabilities=Capabilities(thinking=thinking))
        made = Model(
            **{f: getattr(made, f) for f in made.__struct_fields__ if f != "quality"}, quality=figure
        )
    return Candidate(
        model=made,
        build=build(name, quantization, size),
        fit=fit(name, **fits),  # type: ignore[arg-type]
        availability=availability or Availability(obtainable=True),
        quantization_loss=loss,
    )


def local(name: str) -> LocalModel:
    """A model that lies on this machine."""
    return LocalModel(
        ref=f"hf://org/{name}:Q4_K_M",
        path=f"/models/{name}.gguf",
        size=4 * GIB,
        format="gguf",
        owner="launchpad",
    )


UNREACHABLE = Availability(
    obtainable=False, why_not="the Hub does not answer", hint="Set HF_ENDPOINT to a mirror."
)
