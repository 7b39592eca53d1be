"""Requests that were well formed once: a seed and a number give one, with the names of what was done to it.

Every request carries its own word (`case-N-`) in its target and in its body, and is followed by a plain request for
`/mark-case-N-`. So whatever a proxy makes of the bytes, what arrives at the destination says which case it belongs to.
"""

import dataclasses
import random
import re


@dataclasses.dataclass
class Draft:
    """The parts of a request on the way to its bytes; a mutation may put anything anywhere."""
    word: str
    method: str = "GET"
    target: str = "/"
    version: str = "HTTP/1.1"
    first_line: str = "{method} {target} {version}"
    before: str = ""                                       # bytes before the request line
    host: list = dataclasses.field(default_factory=list)   # whole lines, without their ends
    fields: list = dataclasses.field(default_factory=list)
    framing: list = dataclasses.field(default_factory=list)
    body: str = ""                                         # as it goes over the wire, chunks and all
    line_end: str = "\r\n"
    head_end: str = "\r\n"

    def render(self):
        first = self.first_line.format(method=self.method, target=self.target, version=self.version)
        lines = [first, *self.host, *self.fields, *self.framing]
        head = "".join(line + self.line_end for line in lines)
        return (self.before + head + self.head_end + self.body).encode("latin-1")


@dataclasses.dataclass(frozen=True)
class Mutated:
    number: int
    word: str
    names: tuple        # of the mutations, in their order
    data: bytes


# ----------------------------------------------------------------- well-formed ones

def chunks(*parts, trailers=""):
    return "".join(f"{len(part):x}\r\n{part}\r\n" for part in parts) + f"0\r\n{trailers}\r\n"


def plain(draft):
    return draft


def by_length(draft):
    draft.method, draft.body = "POST", f"body of {draft.word}"
    draft.framing = [f"Content-Length: {len(draft.body)}"]


def by_chunks(draft):
    draft.method, draft.body = "POST", chunks("body of ", draft.word)
    draft.framing = ["Transfer-Encoding: chunked"]


def empty_post(draft):
    draft.method, draft.framing = "POST", ["Content-Length: 0"]


def hidden(draft):
    """A whole request of the same case, which only a body may hide."""
    return f"GET /hidden-{draft.word} HTTP/1.1\r\nHost: h\r\n\r\n"


def a_request_as_body(draft):
    draft.method, draft.body = "POST", hidden(draft)
    draft.framing = [f"Content-Length: {len(draft.body)}"]


def a_request_in_chunks(draft):
    draft.method, draft.body = "POST", chunks(hidden(draft))
    draft.framing = ["Transfer-Encoding: chunked"]


TEMPLATES = [plain, by_length, by_chunks, empty_post, a_request_as_body, a_request_in_chunks]
LENGTHS = [by_length, a_request_as_body, empty_post]
CHUNKED = [by_chunks, a_request_in_chunks]


# -------------------------------------------------------------------- mutations

def one_of(attribute, *values):
    """Sets one part of the draft to one of `values`; `{word}` and the old value as `{old}` may stand in them."""
    def mutate(draft, chance):
        value = chance.choice(values)
        setattr(draft, attribute, value.replace("{word}", draft.word).replace("{old}", getattr(draft, attribute)))
    return mutate


def host_lines(*choices):
    def mutate(draft, chance):
        draft.host = list(chance.choice(choices))
    return mutate


def field_lines(*choices):
    """Puts one of the lines somewhere among the fields, also in front of Host."""
    def mutate(draft, chance):
        where = chance.choice((draft.host, draft.fields, draft.framing))
        where.insert(chance.randrange(len(where) + 1), chance.choice(choices).replace("{word}", draft.word))
    return mutate


def framing_lines(*choices):
    """Takes the place of what said how long the body is; `{length}` is the number of bytes that follow."""
    def mutate(draft, chance):
        draft.framing = [line.replace("{length}", str(len(draft.body))) for line in chance.choice(choices)]
    return mutate


def body_length(draft, chance):
    """A Content-Length that is off by a little, or counts the request that follows as well."""
    off = chance.choice((-3, -2, -1, 1, 2, 5, 40))
    draft.framing = [f"Content-Length: {max(0, len(draft.body) + off)}"]


def body_of_get(draft, _):
    draft.method = "GET"


def size_line(old, new):
    """Each chunk's size line spelt otherwise."""
    def mutate(draft, chance):
        def spell(match):
            return chance.choice(new).replace("{size}", match.group(1)) + match.group(2)
        draft.body = re.sub(old, spell, draft.body, count=chance.choice((0, 1)))
    return mutate


SIZE = r"(?m)^([0-9a-f]+)(\r\n)"


def data_end(*ends):
    """Something else than CRLF behind a chunk's data."""
    def mutate(draft, chance):
        draft.body = draft.body.replace(f"{draft.word}\r\n", f"{draft.word}{chance.choice(ends)}", 1)
    return mutate


def last_chunk(*ends):
    def mutate(draft, chance):
        if draft.body.endswith("0\r\n\r\n"):
            draft.body = draft.body[:-5] + chance.choice(ends)
    return mutate


def cl_te(draft, chance):
    """Both framings, in either order; each reading has another end."""
    inner = hidden(draft)
    draft.method = "POST"
    draft.body = chance.choice((f"0\r\n\r\n{inner}", chunks(f"x{draft.word}") + inner, f"{len(inner):x}\r\n{inner}\r\n0\r\n\r\n"))
    length = f"Content-Length: {chance.choice((0, 4, 5, len(draft.body)))}"
    coding = chance.choice(("Transfer-Encoding: chunked", "Transfer-encoding: Chunked", "Transfer-Encoding : chunked", "Transfer-Encoding: xchunked",
                            "Transfer-Encoding:\tchunked", " Transfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
                            "X: x\nTransfer-Encoding: chunked", "Transfer-Encoding\r\n : chunked", "Transfer_Encoding: chunked"))
    draft.framing = [length, coding] if chance.random() < 0.5 else [coding, length]


def bare_lf_somewhere(draft, chance):
    lines = chance.choice([part for part in (draft.host, draft.fields, draft.framing) if part] or [draft.host])
    if lines:
        at = chance.randrange(len(lines))
        lines[at] += chance.choice(("\nX-Split: 1", "\rX-Split: 1", "\n X-Split: 1", "\r\r", "\n"))


def nominated(draft, chance):
    """A field of this message is called hop by hop."""
    draft.fields.append("Connection: " + chance.choice(("Content-Length", "Transfer-Encoding", "Host", "close, Content-Length", "keep-alive, host",
                                                        "x-case", "Connection", ",", "a b", "\"close\"")))


# Name -> (templates it makes sense on, mutation).
MUTATIONS = {
    "spaces in the line": (TEMPLATES, one_of("first_line", "{method}  {target} {version}", "{method} {target}  {version}", "{method}\t{target} {version}",
                                             "{method} {target}\t{version}", "{method} {target} {version} ", " {method} {target} {version}",
                                             "{method} {target} {version}\t", "{method}\x0b{target}\x0c{version}")),
    "words of the line": (TEMPLATES, one_of("first_line", "{method} {target}", "{method} {target} {version} x", "{method} {target} x {version}", "{method}",
                                            "{target} {version}", "{method} {version}")),
    "before the line": (TEMPLATES, one_of("before", "\r\n", "\r\n\r\n", "\n", "\r", "\r\n" * 20, " \r\n", "x\r\n", "\0")),
    "version": (TEMPLATES, one_of("version", "HTTP/1.0", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/0.9", "HTTP/3", "http/1.1", "Http/1.1", "HTTP/1.1x",
                                  "HTTP/01.1", "HTTP/1.01", "HTTP/1.", "HTTP/1", "HTTP /1.1", "HTTP/11", "HTTP/1,1", "XTTP/1.1", "ICY/1.1", "HTTPS/1.1")),
    "version 1.0": (TEMPLATES, one_of("version", "HTTP/1.0")),
    "method": (TEMPLATES, one_of("method", "get", "Post", "FROB", "G@T", "G(T", "", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "PROPFIND", "M-SEARCH",
                                 "GET,POST", "G\0T", "\xc3\xa9", "X" * 300, "CONNECT", "TRACE", "\"GET\"", "GET:")),
    "target": (TEMPLATES, one_of("target", "http://other{old}", "http://other:81{old}", "HTTP://Other{old}", "https://other{old}", "ftp://other{old}",
                                 "//other{old}", "{word}", "*", "other:80", "", "/..{old}", "{old}/../x", "{old}/./x", "{old}//x", "{old}%2f..%2fx",
                                 "{old}%00", "{old}%0d%0ax", "{old}%zz", "{old}%", "{old}\\x", "{old}#fragment", "{old}?a#b", "{old};p=1", "{old}?a=b?c",
                                 "{old}\x80", "{old}\x7f", "{old}\x01", "{old}\0", "{old}\"<>", "{old}|^`{}", "{old}/" + "a" * 9000, "http://other?{word}",
                                 "http://a@other{old}", "http://[::1]{old}", "http://{old}", "http:{old}", "http://other\\{word}", "{old}%2e%2e/x",
                                 "{old}\rx", "http://other:99999{old}", "http://other:x{old}", "http://ot her{old}")),
    "line ends": (TEMPLATES, one_of("line_end", "\n", "\r", "\n\r", "\r\r\n", " \r\n", "\0\r\n")),
    "head end": (TEMPLATES, one_of("head_end", "\n", "\r", "\n\n", "\r\r\n", " \r\n", "\r\n\r\n", "\t\r\n\r\n")),
    "a bare CR or LF": (TEMPLATES, bare_lf_somewhere),
    "a field": (TEMPLATES, field_lines("X : a", "X\t: a", ": a", "X", "X a", "X(y): a", "X\"y: a", "X\xe9: a", "X: a\0b", "X: a\x01b", "X: a\x7fb", "X: a\rb",
                                       "X: \xe9", "X:", "X:a", "X:  \t a \t ", "X: a\r\n b", "X: a\r\n\tb", "X: a\r\n ", " X: a", "\tX: a", "X:y: a", "X_Y: a",
                                       "X\0: a", "X: " + "a" * 9000, "X" * 9000 + ": a", "X: " + "a" * 70000, "=: a", "@: a", "X[0]: a", "X/: a", "\xa0X: a",
                                       "X: a\x0bb", "X: a\x0cb", ":", "::", ": :", "-: a", "X\r: a", "X\r\n: a")),
    "many fields": (TEMPLATES, lambda draft, chance: draft.fields.extend(["X: y"] * chance.choice((50, 99, 101, 300)))),
    "connection": (TEMPLATES, field_lines("Connection: close", "Connection: Close", "Connection: keep-alive", "Connection: close, keep-alive", "Connection:",
                                          "Connection: x", "Connection: close\r\nConnection: keep-alive", "Keep-Alive: 5", "Proxy-Connection: close",
                                          "Connection: clos\xe9", "Connection: upgrade", "Connection: TE", "TE: trailers", "TE: gzip", "Trailer: X",
                                          "Connection: ;close", "Connection: close;")),
    "nominated": (TEMPLATES, nominated),
    "upgrade": (TEMPLATES, field_lines("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk", "Upgrade: TLS/1.2\r\nConnection: upgrade",
                                       "Upgrade: x", "Upgrade: websocket", "Upgrade: h2c", "Upgrade:\r\nConnection: upgrade")),
    "expect": (TEMPLATES, field_lines("Expect: 100-Continue", "Expect: 100-continue, x", "Expect: 200-ok", "Expect:", "Expect: 100", "Expect: \"100-continue\"")),
    "forwarding": (TEMPLATES, field_lines("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: {word}", "X-Forwarded-Host: other", "X-HTTP-Method-Override: DELETE",
                                          "Via: 1.1 x", "Max-Forwards: 0", "X-Original-URL: /other", "Content-Encoding: gzip", "Range: bytes=0-1")),
    "host": (TEMPLATES, host_lines([], ["Host: a", "Host: a"], ["Host: a", "Host: b"], ["Host:"], ["Host: a:80"], ["Host: a:http"], ["Host: a:65536"],
                                   ["Host: a:"], ["Host: u@a"], ["Host: a/b"], ["Host: a,b"], ["Host: a b"], ["Host: A.Test"], ["Host: a."], ["Host: ."],
                                   ["Host: a..b"], ["Host: [::1]"], ["Host: [::1]:80"], ["Host: [::1"], ["Host: ::1"], ["Host: [x]"], ["Host:a"], ["Host: a\t"],
                                   ["Host : a"], ["Host: a\0b"], ["Host: a\\b"], ["Host: a?b"], ["Host: a#b"], ["Host: %61"], ["Host: a%00"], ["Host: \xe9"],
                                   ["Host: a_b"], ["Host: *"], ["Host: -a"], ["Host: 127.1"], ["Host: a\r\n b"], ["\tHost: a"], ["hOsT: a"],
                                   ["Host: a", "Host:"], ["Host: a", " Host: b"], ["Host: a;b"], ["Host: a=b"], ["Host: 'a'"], ["Host: \"a\""], ["Host: a:080"],
                                   ["Host: a:0"], ["Host: a:+80"], ["Host: a:80:80"], ["Host: " + "a" * 300])),
    "length": (LENGTHS, framing_lines(*([f"Content-Length: {value}"] for value in (
        "+{length}", "-{length}", "0x{length}", "{length},{length}", "{length}, {length}", "{length}, 6", "{length},", ",{length}", "00{length}", "{length}a",
        "{length}.0", "{length}e0", "", " ", "{length} 5", "{length}\t", "\t{length}", "\"{length}\"", "9223372036854775808", "18446744073709551621",
        "9" * 40, "1_0", "{length};a", "{length}\x0b", "\x0b{length}", "{length}\0", "{length}\xb2", "-0", "+0", "0 {length}", "000000000000000000000000{length}",
        "{length}\r\n 1", "{length}\r\n")))),
    "lengths": (LENGTHS, framing_lines(*([f"Content-Length: {first}", f"{name}: {second}"] for name in ("Content-Length", "content-length", "Content-Length ", "Content_Length")
                                         for first, second in (("{length}", "{length}"), ("{length}", "0"), ("0", "{length}"), ("{length}", ""), ("{length}", "5"))))),
    "names of length": (LENGTHS, framing_lines(["Content-Length : {length}"], ["Content-Length\t: {length}"], [" Content-Length: {length}"], ["Content-Length{length}"],
                                               ["Content-Length\0: {length}"], ["Content Length: {length}"], ["Content-Length:: {length}"], ["X: a\r\nContent-Length: {length}"],
                                               ["X: a\rContent-Length: {length}"], ["X: a\nContent-Length: {length}"], ["\xefContent-Length: {length}"])),
    "another length": (LENGTHS, body_length),
    "a body of GET": (LENGTHS + CHUNKED, body_of_get),
    "no framing": (LENGTHS + CHUNKED, framing_lines([])),
    "coding": (CHUNKED, framing_lines(*([f"Transfer-Encoding: {value}"] for value in (
        "CHUNKED", "Chunked", "xchunked", "chunked, chunked", "chunked,chunked", "gzip, chunked", "chunked, gzip", "identity", "identity, chunked", "chunked, identity",
        "chunked;q=1", "chunked;", "\x0bchunked", "chunked\x0b", "\x0cchunked", "\"chunked\"", "'chunked'", "chunked,", ",chunked", " , chunked", "chunked ,", "", " ",
        "gzip", "chunked\0", "\0chunked", "chunk", "chunkedd", "chunked x", "x chunked", "\tchunked", "chunked\t", "trailers", "chunked\r\n x", "\r\n chunked",
        "c hunked", "chunked\xa0", "deflate,chunked", "chunked\r", "Ch\xfcnked")))),
    "codings": (CHUNKED, framing_lines(*([f"{name}: {first}", f"Transfer-Encoding: {second}"] for name in ("Transfer-Encoding", "transfer-encoding", "X")
                                         for first, second in (("chunked", "chunked"), ("chunked", "identity"), ("identity", "chunked"), ("gzip", "chunked"), ("", "chunked"), ("chunked", ""))))),
    "names of coding": (CHUNKED, framing_lines(["Transfer-Encoding : chunked"], ["Transfer-Encoding\t: chunked"], [" Transfer-Encoding: chunked"], ["Transfer-Encoding:chunked"],
                                               ["Transfer_Encoding: chunked"], ["Transfer-Encoding\0: chunked"], ["Transfer Encoding: chunked"], ["TRANSFER-ENCODING: chunked"],
                                               ["X: a\rTransfer-Encoding: chunked"], ["X: a\nTransfer-Encoding: chunked"], ["Transfer-Encoding:: chunked"], ["\xefTransfer-Encoding: chunked"])),
    "both framings": (CHUNKED + LENGTHS, cl_te),
    "a length beside chunks": (CHUNKED, lambda draft, chance: draft.framing.insert(chance.randrange(2), f"Content-Length: {chance.choice((0, 3, len(draft.body)))}")),
    "chunk size": (CHUNKED, size_line(SIZE, ["0{size}", "00000000{size}", "000000000000000000{size}", "0x{size}", "+{size}", "-{size}", " {size}", "\t{size}", "{size} ",
                                             "{size}\t", "{size}g", "{size},", "{size}.", "ffffffffffffffff", "10000000000000000", "7fffffffffffffff", "{size}\x0b", "\0{size}",
                                             "{size}\0", "", "{size}_", "1{size}", "{size}0", "{size}\r", "\n{size}", "\r\n{size}"])),
    "chunk extension": (CHUNKED, size_line(SIZE, ["{size};a", "{size};a=b", "{size};a=\"b\"", "{size} ;a", "{size}; a = b", "{size};", "{size};;", "{size};a=\"b\r\n0\r\n\"", "{size};a\nb",
                                                  "{size};a\rb", "{size};\n", "{size};\x01", "{size};\xe9", "{size};" + "a" * 300, "{size};" + "a" * 6000, "{size};a=\"\\\"", "{size} a",
                                                  "{size};\0"])),
    "end of a chunk size": (CHUNKED, lambda draft, chance: setattr(draft, "body", re.sub(SIZE, "\\1" + chance.choice(("\n", "\r", "\r\r\n", "\n\r", "\r\n\r\n")), draft.body, count=1))),
    "end of a chunk": (CHUNKED, data_end("\n", "\r", "", "\r\n\r\n", "x\r\n", "ab", "\n\n", " \r\n", "\r\r\n", "\0\0")),
    "last chunk": (CHUNKED, last_chunk("00\r\n\r\n", "0000000000000000000\r\n\r\n", "0;a\r\n\r\n", "0 \r\n\r\n", "0\n\n", "0\r\n\n", "0\n\r\n", "0\r\r", "\r\n\r\n", "", "-0\r\n\r\n", "0x0\r\n\r\n",
                                       "0\r\nX: y\r\n\r\n", "0\r\nX y\r\n\r\n", "0\r\nX: a\r\n b\r\n\r\n", "0\r\nContent-Length: 9\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n",
                                       "0\r\nHost: evil\r\n\r\n", "0\r\nX: a\nY: b\r\n\r\n", "0\r\n: a\r\n\r\n", "0\r\nX : a\r\n\r\n", "0\r\nX: a\0\r\n\r\n", "0\r\n \r\n\r\n", "0\r\nX: a\r\n\n",
                                       "0\r\nX: " + "a" * 70000 + "\r\n\r\n", "0\r\n" + "X: y\r\n" * 200 + "\r\n", "0\r\n\r\n\r\n", "0\r\nx\r\n\r\n", "0,\r\n\r\n")),
}
BYTES_MUTATION = "bytes"
BYTES = b"\0\x01\t\n\x0b\r ,:;=\"/\\0a9Z\x7f\x80\xff"


def mutate_bytes(data, word, chance):
    """One to three bytes put in, taken out or changed anywhere but in the word of the case."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(data))
        start = max(0, at - len(word))
        if word.encode() in data[start:at + len(word)]:
            continue
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.choice(BYTES)
        elif kind == 1:
            data.insert(at, chance.choice(BYTES))
        elif kind == 2:
            del data[at]
        else:
            data[at:at] = data[at:at + chance.choice((1, 2, 4))]
    return bytes(data)


def mutated(seed, number):
    """Case `number` of `seed`: always the same one."""
    chance = random.Random(f"{seed}/{number}")
    word = f"case-{number}-"
    draft = Draft(word, target=f"/{word}", host=["Host: a.test"], fields=[f"X-Case: {word}"])
    template = chance.choice(TEMPLATES)
    template(draft)
    fitting = [name for name, (templates, _) in MUTATIONS.items() if template in templates]
    names = chance.sample(fitting, chance.choice((1, 1, 1, 2, 2, 3)))
    by_bytes = chance.random() < 0.1
    if by_bytes:
        names = names[:chance.choice((0, 1))]
    for name in names:
        MUTATIONS[name][1](draft, chance)
    data = draft.render()
    if by_bytes:
        data, names = mutate_bytes(data, word, chance), [*names, BYTES_MUTATION]
    return Mutated(number, word, (template.__name__, *names), data)


def mark(word):
    """The plain request that follows a case on its connection."""
    return f"GET /mark-{word} HTTP/1.1\r\nHost: mark.test\r\n\r\n".encode()
