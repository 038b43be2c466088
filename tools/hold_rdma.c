// SPDX-License-Identifier: GPL-2.0
/*
 * An RDMA device holds memory: a memory region, a FOLL_PIN pin for long, for
 * writing if the region may be written, and on 5.10 if not (ib_umem_get() in
 * drivers/infiniband/core/umem.c).
 *
 * The device is soft-RoCE, the kernel's rdma_rxe over any network device: it
 * copies from and to the pages that it pinned when the region was made. What it
 * sees comes back by an RDMA write to a page of ours, what it writes comes from
 * there by an RDMA read, both through a queue pair that is connected to itself.
 *
 * This speaks to the kernel directly, <rdma/ib_user_verbs.h> and the queues of
 * <rdma/rdma_user_rxe.h>: a story would otherwise need two more libraries, one of
 * which loads drivers at run time.
 */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <rdma/rdma_user_rxe.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of our page, and at most what goes over the wire at once. */
#define CHUNK	4096

#define PORT	1
#define DEVICES	32

/* Seconds that a device has to copy a page, in steps of a tenth of a millisecond. */
#define PATIENCE	10

/* No header of user space has these: enum ib_qp_attr_mask, ib_qp_state, ib_mtu. */
enum {
	QP_STATE = 1 << 0, QP_ACCESS_FLAGS = 1 << 3, QP_PKEY_INDEX = 1 << 4, QP_PORT = 1 << 5,
	QP_AV = 1 << 7, QP_PATH_MTU = 1 << 8, QP_TIMEOUT = 1 << 9, QP_RETRY_CNT = 1 << 10,
	QP_RNR_RETRY = 1 << 11, QP_RQ_PSN = 1 << 12, QP_MAX_QP_RD_ATOMIC = 1 << 13,
	QP_MIN_RNR_TIMER = 1 << 15, QP_SQ_PSN = 1 << 16, QP_MAX_DEST_RD_ATOMIC = 1 << 17,
	QP_DEST_QPN = 1 << 20,
};

enum { STATE_INIT = 1, STATE_READY_TO_RECEIVE, STATE_READY_TO_SEND };
enum { MTU_256 = 1 };

struct region {
	int file;		/* of /dev/infiniband/uverbsN */
	char name[64];		/* of the device */
	u32 pd, cq, qp, qpn;
	struct rxe_queue_buf *ring;	/* what the queue pair is to send */
	size_t ring_size;
	struct ib_uverbs_reg_mr_resp held, page;
	char *bounce;		/* our page */
};

/*
 * A command of <rdma/ib_user_verbs.h>, by ioctl: write(2) takes them only from the
 * process that opened the file. Returns 0 or -1 with errno.
 */
static int verb(const struct region *r, enum ib_uverbs_write_cmds command, const void *in,
		size_t in_size, void *out, size_t out_size, void *driver, size_t driver_size)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attr[4];
	} c = {
		.hdr = {
			.object_id = UVERBS_OBJECT_DEVICE,
			.method_id = UVERBS_METHOD_INVOKE_WRITE,
			.driver_id = RDMA_DRIVER_RXE,
		},
		.attr = {
			{ .attr_id = UVERBS_ATTR_WRITE_CMD, .len = sizeof(u64), .data = command },
			{ .attr_id = UVERBS_ATTR_CORE_IN, .len = in_size, .data = (uintptr_t)in },
		},
	};
	unsigned int n = 2;

	/* What is short is not pointed to. */
	if (in_size <= sizeof(c.attr[1].data)) {
		c.attr[1].data = 0;
		memcpy(&c.attr[1].data, in, in_size);
	}
	if (out_size)
		c.attr[n++] = (struct ib_uverbs_attr){
			.attr_id = UVERBS_ATTR_CORE_OUT, .len = out_size, .data = (uintptr_t)out,
		};
	if (driver_size)
		c.attr[n++] = (struct ib_uverbs_attr){
			.attr_id = UVERBS_ATTR_UHW_OUT, .len = driver_size,
			.data = (uintptr_t)driver,
		};
	c.hdr.num_attrs = n;
	c.hdr.length = sizeof(c.hdr) + n * sizeof(c.attr[0]);
	while (n--)
		c.attr[n].flags = UVERBS_ATTR_F_MANDATORY;
	return ioctl(r->file, RDMA_VERBS_IOCTL, &c);
}

#define VERB(r, command, in, out) \
	verb(r, IB_USER_VERBS_CMD_##command, &(in), sizeof(in), &(out), sizeof(out), NULL, 0)
#define VERB_DRIVER(r, command, in, out, driver) \
	verb(r, IB_USER_VERBS_CMD_##command, &(in), sizeof(in), &(out), sizeof(out), \
	     &(driver), sizeof(driver))

/* Not by fork(): that would write-protect what the story is about. */
static void load_modules(void)
{
	static const char *const argv[] = {
		"modprobe", "-q", "-a", "ib_uverbs", "rdma_rxe", NULL
	};
	pid_t pid;

	if (!posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ))
		waitpid(pid, NULL, 0);
}

/* The first word of a file of /sys/class; false if there is none. */
static bool read_sysfs(const char *path, char word[64])
{
	FILE *f = fopen(path, "re");
	bool is = f && fscanf(f, "%63s", word) == 1;

	if (f)
		fclose(f);
	return is;
}

/* The first soft-RoCE device, which is the one that takes our commands. */
static void open_device(lua_State *L, struct region *r)
{
	struct ib_uverbs_get_context_resp context;
	struct ib_uverbs_get_context none = { 0 };
	char path[128];
	int i;

	if (access("/sys/module/rdma_rxe", F_OK) || access("/sys/module/ib_uverbs", F_OK))
		load_modules();
	if (access("/sys/module/rdma_rxe", F_OK))
		prim_skip(L, "this kernel's flavour has no rdma_rxe");
	for (i = 0; i < DEVICES; i++) {
		snprintf(path, sizeof(path), "/sys/class/infiniband_verbs/uverbs%d/ibdev", i);
		if (!read_sysfs(path, r->name))
			continue;
		snprintf(path, sizeof(path), "/dev/infiniband/uverbs%d", i);
		r->file = open(path, O_RDWR | O_CLOEXEC);
		if (r->file < 0)
			prim_failed(L, path);
		if (!VERB(r, GET_CONTEXT, none, context))
			return;
		if (errno != EINVAL)
			prim_failed(L, "IB_USER_VERBS_CMD_GET_CONTEXT");
		close(r->file);
	}
	prim_skip(L, "no soft-RoCE device: rdma link add rxe0 type rxe netdev NETDEV");
}

/* Where the device is on its network: its address in the first place of its table. */
static void address(lua_State *L, const struct region *r, u8 gid[16])
{
	char path[128], text[64];
	const char *p = text;
	unsigned int part;
	int i, n;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/%d/gids/0", r->name, PORT);
	if (!read_sysfs(path, text))
		prim_failed(L, path);
	for (i = 0; i < 16; i += 2, p += n) {
		n = 0;
		if (sscanf(p, "%4x%*1[:]%n", &part, &n) != 1 && i < 14)
			luaL_error(L, "%s: no address", path);
		gid[i] = part >> 8;
		gid[i + 1] = part;
	}
}

static void modify(lua_State *L, const struct region *r, struct ib_uverbs_modify_qp to)
{
	to.qp_handle = r->qp;
	if (verb(r, IB_USER_VERBS_CMD_MODIFY_QP, &to, sizeof(to), NULL, 0, NULL, 0))
		prim_failed(L, "IB_USER_VERBS_CMD_MODIFY_QP");
}

/* A reliable connection, to itself. */
static void connect_queues(lua_State *L, const struct region *r)
{
	struct ib_uverbs_modify_qp receive = {
		.attr_mask = QP_STATE | QP_AV | QP_PATH_MTU | QP_DEST_QPN | QP_RQ_PSN |
			     QP_MAX_DEST_RD_ATOMIC | QP_MIN_RNR_TIMER,
		.qp_state = STATE_READY_TO_RECEIVE, .path_mtu = MTU_256, .dest_qp_num = r->qpn,
		.max_dest_rd_atomic = 1,
		.dest = { .is_global = 1, .hop_limit = 1, .port_num = PORT },
	};

	address(L, r, receive.dest.dgid);
	modify(L, r, (struct ib_uverbs_modify_qp){
		.attr_mask = QP_STATE | QP_PKEY_INDEX | QP_PORT | QP_ACCESS_FLAGS,
		.qp_state = STATE_INIT, .port_num = PORT,
		.qp_access_flags = IB_UVERBS_ACCESS_REMOTE_WRITE | IB_UVERBS_ACCESS_REMOTE_READ,
	});
	modify(L, r, receive);
	modify(L, r, (struct ib_uverbs_modify_qp){
		.attr_mask = QP_STATE | QP_TIMEOUT | QP_RETRY_CNT | QP_RNR_RETRY | QP_SQ_PSN |
			     QP_MAX_QP_RD_ATOMIC,
		.qp_state = STATE_READY_TO_SEND, .timeout = 14, .retry_cnt = 7, .rnr_retry = 7,
		.max_rd_atomic = 1,
	});
}

static void make_queues(lua_State *L, struct region *r)
{
	struct ib_uverbs_create_cq cq = { .cqe = 1, .comp_channel = -1 };
	struct ib_uverbs_create_qp qp = {
		.max_send_wr = 1, .max_send_sge = 1, .qp_type = IB_UVERBS_QPT_RC,
		.max_recv_wr = 1, .max_recv_sge = 1,
	};
	struct ib_uverbs_alloc_pd pd = { 0 };
	struct ib_uverbs_create_cq_resp cq_is;
	struct rxe_create_cq_resp cq_map;
	struct ib_uverbs_create_qp_resp qp_is;
	struct rxe_create_qp_resp qp_map;
	struct ib_uverbs_alloc_pd_resp pd_is = { 0 };

	if (VERB(r, ALLOC_PD, pd, pd_is))
		prim_failed(L, "IB_USER_VERBS_CMD_ALLOC_PD");
	r->pd = qp.pd_handle = pd_is.pd_handle;
	if (VERB_DRIVER(r, CREATE_CQ, cq, cq_is, cq_map))
		prim_failed(L, "IB_USER_VERBS_CMD_CREATE_CQ");
	qp.send_cq_handle = qp.recv_cq_handle = cq_is.cq_handle;
	if (VERB_DRIVER(r, CREATE_QP, qp, qp_is, qp_map))
		prim_failed(L, "IB_USER_VERBS_CMD_CREATE_QP");
	r->qp = qp_is.qp_handle;
	r->qpn = qp_is.qpn;
	r->ring_size = qp_map.sq_mi.size;
	r->ring = mmap(NULL, r->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->file,
		       qp_map.sq_mi.offset);
	if (r->ring == MAP_FAILED)
		prim_failed(L, "mmap of an RDMA queue");
	connect_queues(L, r);
}

static int make_region(const struct region *r, u64 addr, size_t length, u32 access,
		       struct ib_uverbs_reg_mr_resp *mr)
{
	struct ib_uverbs_reg_mr reg = {
		.start = addr, .length = length, .hca_va = addr, .pd_handle = r->pd,
		.access_flags = access,
	};

	return VERB(r, REG_MR, reg, *mr);
}

static void take(lua_State *L, struct hold *h)
{
	struct region *r = calloc(1, sizeof(*r));

	if (!r)
		prim_failed(L, "rdma");
	h->own = r;
	open_device(L, r);
	make_queues(L, r);
	r->bounce = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->bounce == MAP_FAILED)
		prim_failed(L, "mmap");
	if (make_region(r, (uintptr_t)r->bounce, CHUNK,
			IB_UVERBS_ACCESS_LOCAL_WRITE | IB_UVERBS_ACCESS_REMOTE_WRITE |
			IB_UVERBS_ACCESS_REMOTE_READ, &r->page) ||
	    make_region(r, h->addr, h->length, h->flags, &r->held)) {
		if (errno == ENOMEM)
			prim_skip(L, "an RDMA memory region needs more than ulimit -l allows");
		prim_failed(L, "IB_USER_VERBS_CMD_REG_MR");
	}
}

/* One request, to its end: between what is held, at addr, and our page. */
static void transfer(lua_State *L, const struct region *r, u32 opcode, u64 addr, u32 length)
{
	struct ib_uverbs_post_send post = {
		.qp_handle = r->qp, .wqe_size = sizeof(struct ib_uverbs_send_wr),
	};
	struct ib_uverbs_post_send_resp none;
	struct rxe_queue_buf *ring = r->ring;
	u32 at = ring->producer_index, next = (at + 1) & ring->index_mask;
	struct rxe_send_wqe *wqe = (void *)(ring->data + ((size_t)at << ring->log2_elem_size));
	u64 remote = (uintptr_t)r->bounce;
	int i;

	memset(wqe, 0, sizeof(*wqe));
	wqe->wr.opcode = opcode;
	wqe->wr.wr.rdma.remote_addr = remote;
	wqe->wr.wr.rdma.rkey = r->page.rkey;
	wqe->iova = remote;
	wqe->dma.length = length;
	wqe->dma.resid = length;
	wqe->dma.num_sge = 1;
	wqe->dma.sge[0] = (struct rxe_sge){ addr, length, r->held.lkey };
	__atomic_store_n(&ring->producer_index, next, __ATOMIC_RELEASE);
	if (VERB(r, POST_SEND, post, none))
		prim_failed(L, "IB_USER_VERBS_CMD_POST_SEND");
	for (i = 0; __atomic_load_n(&ring->consumer_index, __ATOMIC_ACQUIRE) != next; i++) {
		if (i == PATIENCE * 10000)
			luaL_error(L, "the RDMA device does not answer");
		usleep(100);
	}
	if (wqe->status)
		luaL_error(L, "the RDMA device failed: completion status %d", (int)wqe->status);
}

static void read_region(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length)
{
	const struct region *r = h->own;
	size_t n;

	for (; length; buf += n, offset += n, length -= n) {
		n = length < CHUNK ? length : CHUNK;
		transfer(L, r, IB_UVERBS_WR_RDMA_WRITE, h->addr + offset, n);
		memcpy(buf, r->bounce, n);
	}
}

static void write_region(lua_State *L, struct hold *h, const char *buf, u64 offset, size_t length)
{
	const struct region *r = h->own;
	size_t n;

	if (!(h->flags & IB_UVERBS_ACCESS_LOCAL_WRITE)) {
		errno = EPERM;
		prim_failed(L, "write to an RDMA memory region");
	}
	for (; length; buf += n, offset += n, length -= n) {
		n = length < CHUNK ? length : CHUNK;
		memcpy(r->bounce, buf, n);
		transfer(L, r, IB_UVERBS_WR_RDMA_READ, h->addr + offset, n);
	}
}

/* The rest goes with the file, when it is closed by all processes that have it. */
static void release(lua_State *L, struct hold *h)
{
	struct region *r = h->own;
	struct ib_uverbs_dereg_mr dereg = { r->held.mr_handle };
	int err = verb(r, IB_USER_VERBS_CMD_DEREG_MR, &dereg, sizeof(dereg), NULL, 0, NULL, 0);

	munmap(r->ring, r->ring_size);
	munmap(r->bounce, CHUNK);
	close(r->file);
	free(r);
	if (err)
		prim_failed(L, "IB_USER_VERBS_CMD_DEREG_MR");
}

const struct holder hold_rdma[] = {
	{ .name = "rdma_mr", .flags = IB_UVERBS_ACCESS_LOCAL_WRITE, .take = take,
	  .read = read_region, .write = write_region, .release = release },
	{ .name = "rdma_mr_ro", .take = take, .read = read_region, .write = write_region,
	  .release = release },
	{ 0 }
};
