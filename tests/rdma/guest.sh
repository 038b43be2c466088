#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest: stories in which a soft-RoCE device holds memory.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

# The seven in which it matters who holds the page.
stories='control clear_refs uffd_wp mprotect fork_after fork_exit zygote'

cat > held.lua << 'END'
scenario { title = "waits for a userfaultfd handler while a device holds the page" }
function story()
	local page = map()
	page:write "A"
	hold(page, "rdma_mr")
	page:uffd_wp(true)
	page:write "B"
end
END

regions() { # COUNT: until there are so many memory regions
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rdma resource show mr > out
		[ "$(wc -l < out)" -ne "$1" ] || return 0
		sleep 1
	done
	return 1
}

# In a shell of its own, which `finish` ends.
rdma_stories() (
	check "insmod" 0 insmod /lib/cowscope/cowscope.ko
	check "without a device" 4 cowscope run control.rdma_mr
	says "it says how to make one" "rdma link add rxe0 type rxe netdev"

	modprobe dummy
	ip link set dummy0 up
	check "a soft-RoCE device" 0 rdma link add rxe0 type rxe netdev dummy0
	for story in $stories; do
		check "$story" 0 cowscope run --trace "$story.rdma_mr"
	done
	check "regions" 0 cowscope run --trace ./regions.lua
	says "all were played" " ok, 0 not ok, 0 skipped"

	cowscope run --timeout 100 ./held.lua > /dev/null 2>&1 &
	regions 2
	ok $? "a story holds memory, and hangs"
	kill -9 $!
	wait $! 2> /dev/null
	regions 0
	ok $? "killed, no memory region is left"
	check "the device can go" 0 rdma link delete rxe0
	check "and its driver" 0 rmmod rdma_rxe
	unload
	finish
)

part rdma rdma_stories
