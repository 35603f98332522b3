/*
 * Records translation blocks for tb-keep.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/thread.h"
#include "exec/exec-all.h"
#include "sysemu/sysemu.h"
#include "tcg/tcg.h"
#include "internal.h"
#include "tb-keep.h"
#include "tb-keep-file.h"
#include "tcg/tb-keep.h"

static struct {
    const char *path;               /* NULL if nothing is recorded */
    void *base;                     /* of the buffer */
    QemuMutex lock;
    GArray *entries;                /* until the end next is the hash */
    GByteArray *bytes;
    void *end;                      /* of the recorded code */
    size_t blocks;                  /* that were allocated, in bytes */
    Notifier exit;
} record;

void *tb_record_alloc(void)
{
    const size_t size = ROUND_UP(sizeof(TranslationBlock), 16);
    size_t at;

    if (!record.path ||
        qatomic_read(&record.blocks) > TB_KEEP_BLOCKS - 2 * size) {
        return NULL;
    }
    at = qatomic_fetch_add(&record.blocks, size);
    return at <= TB_KEEP_BLOCKS - size ? (void *)tb_keep_blocks + at : NULL;
}

void tb_record_overflow(const TranslationBlock *tb)
{
    if (tb_is_apart(tb)) {
        qatomic_set(&tcg_ctx->code_gen_ptr, tcg_ctx->code_gen_highwater + 1);
    }
}

bool tb_record_may_refer_to(const void *p)
{
    return !record.path || tb_is_apart(p) ||
           (size_t)(p - (const void *)tcg_ctx->code_buf) <= UINT16_MAX;
}

void tb_record_add(const TranslationBlock *tb, target_ulong pc,
                   const void *host_pc)
{
    uint32_t offset = pc & ~TARGET_PAGE_MASK;
    KeepEntry e;

    /* Of several CPUs, one may change the code that another has just read. */
    if (!record.path || !host_pc || CPU_NEXT(first_cpu) || !tb_is_apart(tb) ||
        tb_page_addr0(tb) == -1 || tb_page_addr1(tb) != -1 || offset + tb->size > TARGET_PAGE_SIZE) {
        return;
    }
    e = (KeepEntry) {
        .cs_base = tb->cs_base, .flags = tb->flags, .cflags = tb->cflags,
        .block = (uintptr_t)tb - tb_keep_blocks,
        .code = tb->tc.ptr - record.base, .code_size = tb->tc.size,
        .icount = tb->icount,
        .jmp_reset_offset = { tb->jmp_reset_offset[0], tb->jmp_reset_offset[1] },
        .size = tb->size, .offset = offset,
        .next = tb_keep_hash(pc, tb->cs_base, tb->flags, tb->cflags, host_pc),
    };
    qemu_mutex_lock(&record.lock);
    e.bytes = record.bytes->len;
    g_byte_array_append(record.bytes, host_pc, tb->size);
    g_array_append_val(record.entries, e);
    record.end = MAX(record.end, (void *)tcg_ctx->code_gen_ptr);
    qemu_mutex_unlock(&record.lock);
}

void tb_record_flush(void)
{
    if (record.path) {
        g_array_set_size(record.entries, 0);
        g_byte_array_set_size(record.bytes, 0);
        record.end = record.base;
        record.blocks = 0;
    }
}

static gint by_block(gconstpointer a, gconstpointer b)
{
    const KeepEntry *x = a, *y = b;

    return x->code < y->code ? -1 : x->code > y->code;
}

static bool write_all(int fd, const void *p, size_t size)
{
    while (size) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        size -= n;
    }
    return true;
}

/* At QEMU's end, when no CPU runs. */
static void save(Notifier *n, void *data)
{
    g_autofree uint32_t *buckets = NULL;
    g_autofree void *page = g_malloc0(KEEP_CODE);
    KeepHeader *h = page;
    KeepEntry *e;
    size_t size;
    int fd;

    if (!record.entries->len || !first_cpu || !tb_keep_identify(h)) {
        return;
    }
    tb_keep_guest_cpu(first_cpu, h->guest_cpu);
    h->entries = record.entries->len;
    h->buckets = pow2ceil(h->entries);
    h->code_size = ROUND_UP(record.end - record.base, KEEP_CODE);
    h->bytes = record.bytes->len;

    g_array_sort(record.entries, by_block);
    e = (KeepEntry *)record.entries->data;
    size = ROUND_UP(h->buckets * sizeof(uint32_t), 8);
    buckets = g_malloc0(size);
    /* The first of a bucket is to be found first. */
    for (uint64_t i = h->entries; i--; ) {
        uint32_t *bucket = &buckets[e[i].next & (h->buckets - 1)];

        e[i].next = *bucket;
        *bucket = i + 1;
    }

    /* Guard pages are in between. */
    mprotect(record.base, h->code_size, PROT_READ | PROT_WRITE);
    fd = open(record.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || !write_all(fd, page, KEEP_CODE) ||
        !write_all(fd, record.base, h->code_size) ||
        !write_all(fd, buckets, size) ||
        !write_all(fd, e, h->entries * sizeof(KeepEntry)) ||
        !write_all(fd, record.bytes->data, h->bytes) || close(fd) < 0) {
        error_report("tb-record: cannot write '%s': %s", record.path,
                     strerror(errno));
        unlink(record.path);
    }
}

void tb_record_init(const char *path, void *base)
{
    record.path = path;
    record.base = record.end = base;
    qemu_mutex_init(&record.lock);
    record.entries = g_array_new(false, false, sizeof(KeepEntry));
    record.bytes = g_byte_array_new();
    record.exit.notify = save;
    qemu_add_exit_notifier(&record.exit);
}
