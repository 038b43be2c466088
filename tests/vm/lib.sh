# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What the commands of tests/vm share: where things live, the kernel list, the
# archive's index, locks and children.  To be sourced.

set -u
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 125

# The tree that is built and tested: this one, unless told otherwise.
tree=${COWSCOPE_TREE:-$(cd "$here/../.." && pwd)}
build=$tree/build
cache=${COWSCOPE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cowscope}
kernel_list=$here/../kernels

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
candidates=$cache/apt/candidates	# name, suite, release, version; oldest first
candidates_minutes=720

note() { echo "${0##*/}: $*" >&2; }
die() { note "$@"; exit 125; }

# Leave nothing behind, whatever ends us.  A child runs in the background so
# that a signal is acted on at once; cleanup ends it, then removes $scratch and
# what is half made, $partial.
child=
scratch=
partial=

cleanup() {
	local pid=$child

	trap '' INT TERM HUP
	child=
	if [ -n "$pid" ]; then
		kill "$pid" 2>/dev/null
		# unshare(1) leaves TERM to its child, an init that does not heed it.
		for _ in {1..100}; do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	fi
	rm -rf --one-file-system ${scratch:+"$scratch"} ${partial:+"$partial"}
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

run() {
	local status=0

	"$@" &
	child=$!
	wait "$child" || status=$?
	child=
	return $status
}

make_scratch() {
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/cowscope.XXXXXX") || die "cannot make a temporary directory"
}

# with_lock NAME COMMAND...: one at a time on this machine.
with_lock() {
	local name=$1 fd status=0

	shift
	mkdir -p "$cache/lock" || die "cannot write to $cache"
	exec {fd}>"$cache/lock/$name" || die "cannot lock $cache/lock/$name"
	if ! run flock -w 5 "$fd"; then
		note "waiting for another run that holds $name"
		run flock "$fd"
	fi
	"$@" || status=$?
	exec {fd}>&-
	return $status
}

need_root() {
	[ "$(id -u)" = 0 ] || die "must be root to $1"
}

# need PACKAGE...: install what this machine lacks.
need() {
	local package missing=()

	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "missing Debian packages: ${missing[*]}; install them, or run this as root"
	with_lock packages install_packages "${missing[@]}"
}

install_packages() {
	note "installing ${*}"
	# The first try may only have shown that the index is old or missing.
	apt_get_install "$@" 2>/dev/null || { run apt-get -qq update >&2; apt_get_install "$@"; } ||
		die "cannot install ${*}"
}

apt_get_install() {
	DEBIAN_FRONTEND=noninteractive run apt-get -qq -y -o DPkg::Lock::Timeout=300 \
		install --no-install-recommends "$@" >/dev/null
}

# guest_skeleton DIR: a merged /usr, as in every part of an initramfs.
guest_skeleton() {
	local dir

	for dir in bin sbin lib lib64; do
		mkdir -p "$1/usr/$dir" && ln -sT "usr/$dir" "$1/$dir"
	done
}

# make_cpio BUSYBOX DIR
make_cpio() { (cd "$2" && find . | "$1" cpio -o -H newc -R 0:0); }

# --- the kernel list -------------------------------------------------------

rows() { awk '!/^#/ && NF' "$kernel_list"; }

all_names() { rows | awk '{ print $1 }'; }

# Those that "all" means. One with a fifth column is only for who asks for it.
names() { rows | awk 'NF < 5 { print $1 }'; }

# Those that Debian builds, with packages of their own for dkms and headers.
stock_names() { rows | awk 'NF < 5 && $4 != "linux-source" { print $1 }'; }

# Those that are built to complain.
debug_names() { rows | awk 'NF >= 5 && $4 == "linux-source" { print $1 }'; }

# row_field NAME N
row_field() { rows | awk -v name="$1" -v n="$2" '$1 == name { print $n }'; }

# is_built NAME: it is built here, from Debian's source.
is_built() { [ "$(row_field "$1" 4)" = linux-source ]; }

# is_debug NAME: likewise, to complain.
is_debug() { is_built "$1" && [ -n "$(row_field "$1" 5)" ]; }

# recipe_dir NAME: what it is built by: parts of a configuration, and perhaps a patch.
recipe_dir() { echo "$kernel_list.d/$1"; }

# kernel_name KERNEL: the row that KERNEL means.
kernel_name() {
	if [ "$1" = newest ]; then
		fresh_index "$candidates_minutes"
		newest_of_rows | awk 'NR == FNR { stock[$1]; next } $1 in stock' <(stock_names) - |
			sort -V -k4,4 | awk 'END { print $1 }'
	elif [ -n "$(row_field "$1" 1)" ]; then
		echo "$1"
	else
		die "no kernel named '$1'; there are: $(all_names | tr '\n' ' ')newest"
	fi
}

# stock_name KERNEL: likewise, if it is one that Debian builds.
stock_name() {
	local name

	name=$(kernel_name "$1") || exit
	! is_built "$name" || die "$name is built here, not by Debian: this runs on $(stock_names | tr '\n' ' ')"
	echo "$name"
}

# --- the archive's index ---------------------------------------------------

# Suites to read for the row NAME: its own, and what they are an addition to.
row_suites() {
	local suites suite

	IFS=, read -ra suites <<<"$(row_field "$1" 2)"
	for suite in "${suites[@]}"; do
		echo "${suite%%-*}"
		echo "$suite"
	done | awk '!seen[$0]++'
}

# The mirror of a suite is the one this machine's own apt uses.
site_of() {
	local label=Debian codename=bookworm

	case $1 in *-security) label=Debian-Security codename=bookworm-security ;; esac
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE) $(CODENAME) $(LABEL) $(ORIGIN)' 'Identifier: Packages' |
		awk -v label="$label" -v codename="$codename" '
			$3 == label && $4 == "Debian" && ($2 == codename || !site) { site = $1 }
			END { if (site) print site; else exit 1 }'
}

sources() {
	local suite site

	for suite; do
		site=$(site_of "$suite") ||
			die "apt on this machine knows no mirror for $suite: its sources need an entry for" \
			    "$([[ $suite == *-security ]] && echo "Debian's security archive (bookworm-security)" || echo "Debian (bookworm)")"
		echo "deb [signed-by=$keyring] $site $suite main"
	done
}

private_apt() { APT_CONFIG=$cache/apt/apt.conf run "$@"; }

# index_is_fresh MINUTES
index_is_fresh() { [ -n "$(find "$candidates" -mmin "-$1" -newer "$kernel_list" 2>/dev/null)" ]; }

# update_index MINUTES: no older than that. Others may read it meanwhile, so each file
# is whole at each time: apt's lists are so anyway.
update_index() {
	local dir=$cache/apt suites file

	# Who waited for the lock may find that it is done.
	! index_is_fresh "$1" || return 0
	need debian-archive-keyring
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" || die "cannot write to $dir"
	site_of bookworm >/dev/null || { need_root "update apt's index"; run apt-get -qq update; }
	mapfile -t suites < <(for name in $(all_names); do row_suites "$name"; done | awk '!seen[$0]++')
	sources "${suites[@]}" >"$dir/sources.list.new" || exit 125
	# How to download is this machine's business: proxies, dates, retries.
	{
		echo 'Acquire::Retries "3";'
		apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets'
	} >"$dir/acquire.conf.new"
	cat >"$dir/apt.conf.new" <<-EOF
		Dir::Etc::main "/dev/null";
		Dir::Etc::parts "/dev/null";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State::lists "$dir/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$dir/cache";
		Dir::Cache::srcpkgcache "";
		APT::Sandbox::User "root";
	EOF
	cat "$dir/acquire.conf.new" >>"$dir/apt.conf.new"
	for file in sources.list acquire.conf apt.conf; do
		mv "$dir/$file.new" "$dir/$file" || die "cannot write to $dir"
	done
	private_apt apt-get -qq --error-on=any update >&2 || return 1
	list_candidates >"$candidates.new" && mv "$candidates.new" "$candidates"
}

# index_files SUITE...: suite and file name of each package index.
index_files() {
	# shellcheck disable=SC2016
	private_apt apt-get indextargets --format '$(CODENAME) $(FILENAME)' 'Identifier: Packages' |
		awk -v suites="$*" 'BEGIN { n = split(suites, s, " "); for (i = 1; i <= n; i++) want[s[i]] = 1 }
				    $1 in want'
}

# Every kernel of every row that has an image and headers of one version, or the
# source that it is built from: that makes a release VERSION-SUFFIX of its own.
list_candidates() {
	local name suites pattern flavour suite file

	while read -r name suites pattern flavour _; do
		while read -r suite file; do
			/usr/lib/apt/apt-helper cat-file "$file" |
				awk -v suite="$suite" -v flavour="$flavour" -v suffix="-${name#*-}" '
				$1 == "Package:" { package = $2 }
				$1 == "Version:" { version = $2 }
				NF == 0 && package ~ "^" flavour "-[0-9.]+$" {
					print "image", suite, version suffix, version
					print "headers", suite, version suffix, version
				}
				NF == 0 && package ~ "^linux-(image|headers)-[0-9]+[.][0-9]+[.][0-9][^-]*(-[0-9][^-]*)?-" flavour "(-unsigned)?$" {
					kind = package ~ /^linux-image/ ? "image" : "headers"
					release = package
					sub(/^linux-(image|headers)-/, "", release)
					sub(/-unsigned$/, "", release)
					print kind, suite, release, version
				}
				NF == 0 { package = "" }'
		done < <(index_files "${suites//,/ }") |
			awk -v name="$name" '
				{ have[$1, $3, $4] = 1; suite[$3 " " $4] = $2 }
				END {
					for (k in suite) {
						split(k, part, " ")
						if (have["image", part[1], part[2]] && have["headers", part[1], part[2]])
							print name, suite[k], k
					}
				}' |
			while read -r row; do
				# shellcheck disable=SC2053
				[[ ${row##* } != $pattern ]] || echo "$row"
			done | sort -V -k4,4
	done < <(rows)
}

# fresh_index MINUTES: the index, no older than that if the archive can be
# reached; if it cannot, that is found out only once an hour.
fresh_index() {
	local failed=$cache/apt/failed

	! index_is_fresh "$1" || return 0
	[ "$1" = 0 ] || [ ! -s "$candidates" ] || [ -z "$(find "$failed" -mmin -60 2>/dev/null)" ] || return 0
	if with_lock index update_index "$1"; then
		rm -f "$failed"
	elif [ -s "$candidates" ]; then
		touch "$failed"
		note "cannot read the archive's index; going on with that of $(date -r "$candidates" '+%F %R')"
	else
		die "cannot read the archive's index"
	fi
}

newest_of_rows() {
	awk '{ newest[$1] = $0 } END { for (name in newest) print newest[name] }' "$candidates"
}

# release_of NAME: its newest kernel release.
release_of() {
	local name suite release version

	read -r name suite release version < <(newest_of_rows | awk -v name="$1" '$1 == name') ||
		die "$1: no kernel with image and headers, or no source, in $(row_field "$1" 2)"
	case $version in
	"${name%%-*}".*) ;;
	*) note "NOTE: $name: $suite now carries ${version%%-*}; running that" ;;
	esac
	echo "$release"
}

# --- userlands -------------------------------------------------------------

# A userland is asked for as [KERNEL:]PACKAGE[,PACKAGE]...: Debian packages, of
# the suite of the kernel that boots if no other one is named.

# userland_row SPEC KERNEL: the row whose suite it is.
userland_row() {
	case $1 in
	*:*) kernel_name "${1%%:*}" ;;
	*) kernel_name "$2" ;;
	esac
}

# userland_dir NAME: where that of the row NAME is kept; rows may share one.
userland_dir() { echo "$cache/userland/$(row_suites "$1" | head -n 1)"; }

# lacking NAME PACKAGE...: those that the suites of the row NAME do not have.
lacking() {
	local name=$1

	shift
	private_apt apt-cache madison "$@" | awk -v suites="$(row_suites "$name" | tr '\n' ' ')" -v packages="$*" '
		BEGIN { n = split(suites, s); while (n) want[s[n--] "/main"] = 1 }
		$6 in want { have[$1] = 1 }
		END {
			n = split(packages, p)
			for (i = 1; i <= n; i++)
				if (!(p[i] in have))
					print p[i]
		}'
}

# --- chroots ---------------------------------------------------------------

# copy_index SUITE...: a command that gives a chroot, its $1, their part of the index.
copy_index() {
	local suite file files=()

	while read -r suite file; do
		files+=("${file%_main_*}"_*)
	done < <(index_files "$@")
	echo "cp -t \"\$1/var/lib/apt/lists\" ${files[*]@Q}"
}

# in_chroot DIR SOURCES COMMAND...: with SOURCES at /src and /proc, which objtool needs.
in_chroot() {
	local dir=$1 from=$2

	shift 2
	# shellcheck disable=SC2016
	run unshare --mount --pid --fork --kill-child sh -c '
		dir=$1 from=$2
		shift 2
		mount -t proc proc "$dir/proc" && mount --rbind /dev "$dir/dev" &&
			mount -t tmpfs -o mode=1777 tmp "$dir/tmp" && mount --bind "$from" "$dir/src" || exit 125
		exec chroot "$dir" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			LC_ALL=C HOME=/ "$@"
	' sh "$dir" "$from" "$@"
}
