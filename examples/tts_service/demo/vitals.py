"""Prints the vitals of the host, the service's processes and the GPUs."""

from demo.scrape import Scrape

WIDTH = 34


def complete(scrape: Scrape) -> bool:
    """Returns whether all vitals are present: the CPU ratio needs two samples, and the GPU reports availability."""
    return bool(scrape.sum_by("cpu_limit_cores") and scrape.samples("cpu_usage_ratio") and _gpu(scrape))


def vitals(scrape: Scrape) -> str:
    """Returns a line per quantity that could be read."""
    lines = ["The machine meanwhile"]

    def row(title: str, text: str) -> None:
        lines.append(f"  {title}".ljust(WIDTH) + text)

    for _, ratio in scrape.samples("cpu_usage_ratio"):
        cores = scrape.sum_by("cpu_limit_cores")[()]
        row("CPU", f"{ratio:.0%} of {cores:g} cores")
    used, total = scrape.sum_by("host_memory_used_bytes")[()], scrape.sum_by("host_memory_total_bytes")[()]
    if total:
        row("memory", f"{_gigabytes(used)} of {_gigabytes(total)}")
    processes = scrape.samples("process_resident_memory_bytes")
    if processes:
        row(
            "processes of the service",
            f"{len(processes)}, together {_gigabytes(sum(rss for _, rss in processes))}",
        )
    for line in _gpu(scrape):
        row("GPU", line)
    return "\n".join(lines)


def _gpu(scrape: Scrape) -> list[str]:
    """Returns one line per GPU, or the reason for its absence."""
    off = [
        labels["reason"] for labels, available in scrape.samples("soundpost_gpu_available") if not available
    ]
    if off:
        return [f"off: {off[0].replace('_', ' ')}"]
    lines = []
    for labels, used in scrape.samples("gpu_memory_used_bytes"):
        gpu = labels["gpu"]
        facts = [
            f"{gpu} ({labels['name']})  {_gigabytes(used)} of {_gigabytes(_of(scrape, 'gpu_memory_total_bytes', gpu))}"
        ]
        facts += [f"busy {ratio:.0%}" for ratio in _values(scrape, "gpu_utilization_ratio", gpu)]
        facts += [f"{degrees:.0f} °C" for degrees in _values(scrape, "gpu_temperature_celsius", gpu)]
        facts += [f"{watts:.0f} W" for watts in _values(scrape, "gpu_power_watts", gpu)]
        lines.append(", ".join(facts))
    return lines


def _values(scrape: Scrape, name: str, gpu: str) -> list[float]:
    return [value for labels, value in scrape.samples(name) if labels["gpu"] == gpu]


def _of(scrape: Scrape, name: str, gpu: str) -> float:
    return sum(_values(scrape, name, gpu))


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
