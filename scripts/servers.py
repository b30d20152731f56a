"""Prints shell assignments with the paths of the servers that the tests run, and gets those that are not cached.

Each version is one folder of `soundpost/servers` in the user's cache directory. It outlives a clone, is built aside
under a lock, and is renamed into place once its licences passed. No server becomes a part of Soundpost.
"""

import fcntl
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import licences

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tests" / "servers"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soundpost" / "servers"
GO = (1, 26, 5)  # required by VictoriaLogs
JAVA = 17
POM = "{*}"  # the namespace, which some poms omit


def run(*command: object, folder: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Returns the output of a command; its messages go to standard error."""
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def shell(function: str, *arguments: str, folder: Path | None = None) -> None:
    """Calls a function of `scripts/lib.sh`."""
    run("bash", "-c", f'. "{ROOT}/scripts/lib.sh" && {function} "$@"', "servers", *arguments, folder=folder)


def apt_install(package: str) -> None:
    shell("apt_install", package)


def digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:8]


def version_of(command: str, pattern: str) -> tuple[int, ...]:
    """Returns the version that a program reports, and () where the program is missing."""
    if not shutil.which(command.split(maxsplit=1)[0]):
        return ()
    match = re.search(pattern, run(*command.split()))
    return tuple(map(int, match[1].split("."))) if match else ()


class Server:
    """A server at one version, with the variable that names its path and its licence as an SPDX expression."""

    def __init__(self, variable: str, name: str, licence: str) -> None:
        self.variable, self.name, self.licence = variable, name, licence

    def version(self) -> str:
        raise NotImplementedError

    def build(self, folder: Path, work: Path) -> None:
        """Fills the folder, and its `licences` with one file for each component; `work` is removed afterwards."""
        raise NotImplementedError

    def path(self, folder: Path) -> str:
        return str(folder)

    def get(self) -> str:
        """Returns the path of the cached server, which is built first if necessary."""
        folder = CACHE / f"{self.name}-{self.version()}"
        if not folder.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with locked(CACHE / f"{folder.name}.lock"):
                if not folder.exists():
                    self._make(folder)
        return self.path(folder)

    def _make(self, folder: Path) -> None:
        print(f"servers: getting {folder.name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.part-", dir=CACHE) as temporary:
            result, work = Path(temporary, "result"), Path(temporary, "work")
            (result / "licences").mkdir(parents=True)
            work.mkdir()
            self.build(result, work)
            if wrong := licences.of_folder(result / "licences"):
                raise SystemExit("\n".join([f"servers: {self.name} is not used:", *wrong]))
            result.rename(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Debian(Server):
    """A package of the distribution, unpacked instead of installed: an installed server would start as a service."""

    def version(self) -> str:
        system = platform.freedesktop_os_release()
        return system["ID"] + system.get("VERSION_ID", "")

    def get(self) -> str:
        state = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", self.name]
        if not shutil.which("apt-get"):
            return "/usr/bin"
        installed = subprocess.run(state, capture_output=True, text=True, check=False).stdout == "installed"
        return "/usr/bin" if installed else super().get()

    def build(self, folder: Path, work: Path) -> None:
        shell("apt_download", self.name, folder=work)
        (package,) = work.glob("*.deb")
        run("dpkg-deb", "--extract", package, folder)
        shutil.copy(folder / f"usr/share/doc/{self.name}/copyright", folder / "licences" / self.name)

    def path(self, folder: Path) -> str:
        return str(folder / "usr" / "bin")


class Go(Server):
    """A program of a Go module, built with the versions that a `go.mod` of the tests requires."""

    def __init__(self, variable: str, name: str, licence: str, package: str) -> None:
        super().__init__(variable, name, licence)
        self._package = package
        self._module = SOURCES / "go" / name / "go.mod"

    def version(self) -> str:
        module = self._package.rsplit("/", 2)[0]
        match = re.search(rf"{re.escape(module)} v(\S+)", self._module.read_text())
        assert match, self._module
        return f"{match[1]}-{digest(self._module)}"

    def build(self, folder: Path, work: Path) -> None:
        shutil.copy(self._module, work)
        environment = os.environ | {
            "CGO_ENABLED": "0",
            "GOCACHE": str(work / "cache"),
            "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false",
            "GOMODCACHE": str(work / "modules"),
            "GOTMPDIR": str(work),
            "GOTOOLCHAIN": "local",
        }

        def go(*arguments: object) -> str:
            return run(program, *arguments, folder=work, environment=environment)

        program = "go"
        if version_of("go version", r"go([\d.]+)") < GO:
            program = self._toolchain(work, environment)
        go("build", "-trimpath", "-ldflags", "-s -w", "-o", folder / self.name, self._package)
        module = "{{with .Module}}{{.Path}} {{.Dir}}{{end}}"
        for line in set(go("list", "-deps", "-f", module, self._package).split("\n")) - {""}:
            path, directory = line.split(" ", 1)
            found = [each for each in sorted(Path(directory).iterdir()) if licences.is_licence(each)]
            text = "\n".join(each.read_text(errors="replace") for each in found)
            (folder / "licences" / path.replace("/", "_")).write_text(text)

    @staticmethod
    def _toolchain(work: Path, environment: dict[str, str]) -> str:
        """Returns the path of a newer `go`, which the machine's own client downloads as a module."""
        if not shutil.which("go"):
            apt_install("golang-go")
        (work / "empty").mkdir()
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        module = f"golang.org/toolchain@v0.0.1-go{'.'.join(map(str, GO))}.linux-{machine}"
        fields = run("go", "mod", "download", "-json", module, folder=work / "empty", environment=environment)
        match = re.search(r'"Dir": "(.*)"', fields)
        assert match, fields
        toolchain = Path(match[1])
        for program in [*toolchain.glob("bin/*"), *toolchain.glob("pkg/tool/linux_*/*")]:
            program.chmod(0o755)
        environment["GOROOT"] = str(toolchain)
        return str(toolchain / "bin" / "go")


class Graylog(Server):
    """Graylog's GELF inputs and codec from its own jar; the path is a Java class path."""

    _pom = SOURCES / "graylog" / "pom.xml"
    _source = SOURCES / "graylog" / "Receiver.java"

    def version(self) -> str:
        match = re.search(r"<graylog.version>(.*)<", self._pom.read_text())
        assert match, self._pom
        return f"{match[1]}-{digest(self._pom, self._source)}"

    def get(self) -> str:
        if not shutil.which("java"):
            apt_install("default-jdk-headless")
        return super().get()

    def build(self, folder: Path, work: Path) -> None:
        if version_of("javac -version", r"javac (\d+)") < (JAVA,):
            apt_install("default-jdk-headless")
        if not shutil.which("mvn"):
            apt_install("maven")
        repository, jars = work / "repository", folder / "lib"
        maven = ["mvn", "--quiet", "--batch-mode", "--file", self._pom, f"-Dmaven.repo.local={repository}"]
        run(*maven, "dependency:copy-dependencies", f"-DoutputDirectory={jars}")
        run("javac", "-d", folder / "classes", "-cp", f"{jars}/*", self._source)
        for jar in jars.iterdir():
            (pom,) = repository.rglob(f"{jar.stem}.pom")
            (folder / "licences" / jar.stem).write_text("\n".join(self._licences(pom, repository)))

    def _licences(self, pom: Path, repository: Path) -> list[str]:
        """Returns the names of the licences in a pom, or in the nearest parent that has any."""
        project = ElementTree.parse(pom).getroot()
        found = [each.text or "" for each in project.iterfind(f"{POM}licenses/{POM}license/{POM}name")]
        parent = project.find(f"{POM}parent")
        if found or parent is None:
            return found
        group, artifact, version = (
            parent.findtext(f"{POM}{name}", "") for name in ("groupId", "artifactId", "version")
        )
        folder = repository.joinpath(*group.split("."), artifact, version)
        return self._licences(folder / f"{artifact}-{version}.pom", repository)

    def path(self, folder: Path) -> str:
        return f"{folder}/classes:{folder}/lib/*"


class Packages(Server):
    """Python packages of services, without what they need: the tests have fakes of that."""

    _requirements = ROOT / "tests" / "upstream" / "requirements.txt"

    def version(self) -> str:
        return digest(self._requirements)

    def build(self, folder: Path, work: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        run(*pip, "--no-compile", "--target", folder / "packages", "--requirement", self._requirements)
        for package in metadata.distributions(path=[str(folder / "packages")]):
            (folder / "licences" / package.name).write_text(licences.stated(package))

    def path(self, folder: Path) -> str:
        return str(folder / "packages")


SERVERS: list[Server] = [
    Debian("PROMETHEUS_BIN", "prometheus", "Apache-2.0"),
    Debian("INFLUXDB_BIN", "influxdb", "MIT"),
    Debian("VICTORIA_METRICS_BIN", "victoria-metrics", "Apache-2.0"),
    Go(
        "VICTORIA_LOGS_BIN",
        "victoria-logs",
        "Apache-2.0",
        "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs",
    ),
    Go("LOKI_BIN", "loki", "Apache-2.0", "github.com/grafana/loki/cmd/loki"),
    Graylog("GRAYLOG_CLASS_PATH", "graylog", "GPL-3.0"),
    Packages("SERVICE_PACKAGES", "services", "MIT AND Apache-2.0"),
]


def main() -> None:
    for server in SERVERS:
        print(f"export {server.variable}={shlex.quote(server.get())}", flush=True)


if __name__ == "__main__":
    main()
