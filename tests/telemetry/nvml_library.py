"""The stand-in for NVIDIA's library: compiled once, and told by a file what the GPUs say."""

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml_stub.c"

Said = dict[str, int | str]


def compiled(directory: Path) -> Path:
    """The directory to put on LD_LIBRARY_PATH."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed: apt-get install gcc libc6-dev"
    library = directory / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE],
        check=True,
    )
    return directory


def say(path: Path, said: Said) -> None:
    """From now on the GPUs say this."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text("".join(f"{key} {value}\n" for key, value in said.items()))
    unfinished.replace(path)


def two_gpus() -> Said:
    """Both well, the second without ECC, a memory thermometer and PCIe counters."""
    said: Said = {"count": 2}
    for gpu in (0, 1):
        said |= {
            f"{gpu}.uuid": f"GPU-{gpu}",
            f"{gpu}.name": "NVIDIA H100 80GB HBM3",
            f"{gpu}.power_mw": 350_000 + 1000 * gpu,
            f"{gpu}.limit_mw": 700_000,
            f"{gpu}.energy_mj": 10_000_000,
            f"{gpu}.total": 80 << 30,
            f"{gpu}.used": 60 << 30,
            f"{gpu}.gpu_percent": 80,
            f"{gpu}.encoder_percent": 0,
            f"{gpu}.sm_mhz": 1980,
            f"{gpu}.memory_mhz": 2619,
            f"{gpu}.celsius": 55 + gpu,
            f"{gpu}.field74": 5_000_000_000,
        }
    return said | {"0.field3": 1, "0.field82": 66, "0.field94": 4, "0.field197": 0, "0.field198": 0}
