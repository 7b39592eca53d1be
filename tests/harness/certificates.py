"""Certificates for tests: an authority made on the spot, by openssl, and what it signs."""

import base64
import functools
import pathlib
import subprocess
import tempfile


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Pair:
    """A certificate and its key, as files."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    def serial(self):
        """As Python's ssl tells a peer's."""
        done = subprocess.run(["openssl", "x509", "-in", str(self.certificate), "-noout", "-serial"], check=True, capture_output=True,
                              text=True)
        return done.stdout.strip().partition("=")[2]

    def secret(self, name, ca=None, namespace="gloo-system"):
        """The Secret that holds it, in YAML."""
        def text(file):
            return base64.b64encode(pathlib.Path(file).read_bytes()).decode()
        more = f"  ca.crt: {text(ca)}\n" if ca else ""
        return (f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\ntype: kubernetes.io/tls\n"
                f"data:\n  tls.crt: {text(self.certificate)}\n  tls.key: {text(self.key)}\n{more}")


class Authority:
    """Signs what it is asked for, with keys of P-256."""

    def __init__(self, name="Test CA"):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-ca-")
        self.folder = pathlib.Path(self.scratch.name)
        self.made = 0
        self.certificate, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                 "-out", self.certificate, "-days", 30, "-subj", f"/CN={name}")

    def make(self, *names, client=False, days=30):
        """For these names, the first one is the common name. Days below zero: it has expired."""
        self.made += 1
        stem = self.folder / f"{self.made}"
        kinds = ",".join(f"{'URI' if '://' in n else 'IP' if n[0].isdigit() else 'DNS'}:{n}" for n in names)
        stem.with_suffix(".ext").write_text(f"subjectAltName={kinds}\nextendedKeyUsage={'client' if client else 'server'}Auth\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", stem.with_suffix(".key"),
                 "-out", stem.with_suffix(".csr"), "-subj", "/CN=" + names[0].replace("/", "\\/"))
        if days > 0:
            _openssl("x509", "-req", "-in", stem.with_suffix(".csr"), "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                     "-out", stem.with_suffix(".crt"), "-extfile", stem.with_suffix(".ext"), "-days", days)
        else:
            self._sign_in_the_past(stem)
        return Pair(stem.with_suffix(".crt"), stem.with_suffix(".key"))

    def _sign_in_the_past(self, stem):
        database = self.folder / "index.txt"
        database.write_text("")
        config = self.folder / "ca.cnf"
        config.write_text("[ca]\ndefault_ca=d\n[d]\n"
                          f"database={database}\nserial={self.folder}/past.srl\nnew_certs_dir={self.folder}\ndefault_md=sha256\n"
                          "policy=p\n[p]\ncommonName=supplied\n")
        _openssl("ca", "-batch", "-rand_serial", "-config", config, "-cert", self.certificate, "-keyfile", self.key, "-in",
                 stem.with_suffix(".csr"), "-out", stem.with_suffix(".crt"), "-extfile", stem.with_suffix(".ext"),
                 "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext")

    def secret(self, name, namespace="gloo-system"):
        """A Secret with its certificate alone, for whom verifies."""
        text = base64.b64encode(self.certificate.read_bytes()).decode()
        return (f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\ntype: kubernetes.io/tls\n"
                f"data:\n  ca.crt: {text}\n")

    def stop(self):
        self.scratch.cleanup()


@functools.cache
def authority(name="Test CA"):
    """One for all tests of a process."""
    return Authority(name)
