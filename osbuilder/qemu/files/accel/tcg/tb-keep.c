/*
 * Translation blocks kept in a file, for the next guest that runs the same code
 *
 * Guests of one kind execute the same code when they start, and QEMU spends
 * most of that time on its translation. One QEMU records what it translates
 * (tb-record), and later ones read that file and take a block from it instead of
 * translating, if the guest's bytes, the CPU's state and the CPU's model are
 * those that the block was made from (tb-keep). So a file that fits badly makes
 * a guest slow, not wrong.
 *
 * A block's code refers to itself, to the prologue, and to QEMU's helpers. All
 * three by their distance, since the buffer lies at a constant distance from
 * QEMU's own code; so that code may still be loaded at a random address. Guest
 * addresses are not in it (TARGET_TB_PCREL).
 *
 * The file is trusted like QEMU itself: whoever may write it may write QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "exec/exec-all.h"
#include "tcg/tcg.h"
#include "tcg/tb-keep.h"
#include "internal.h"
#include "tb-keep.h"
#include "tb-keep-file.h"
#include <malloc.h>

#if !TARGET_TB_PCREL || !defined(TARGET_I386) || !defined(__x86_64__)
#error "translations are kept for x86 guests on x86-64 hosts only"
#endif

/*
 * Code calls helpers with 32 bits of distance. The kept blocks and a buffer of
 * 1 GiB behind them, the largest that QEMU makes, end before QEMU's own code.
 */
#define KEEP_BELOW  (1536 * MiB)
#define KEEP_MAX    (384 * MiB)
#define KEEP_ALIGN  (2 * MiB)
/* A guest that looks for fewer than these in that time has started. */
#define KEEP_FEW    100
#define KEEP_MS     1000

static struct {
    const char *record_path;
    const char *path;               /* of what is kept */
    int fd;
    void *base;                     /* of the buffer, kept blocks included */

    const KeepHeader *header;       /* NULL if nothing is kept */
    const uint32_t *buckets;
    const KeepEntry *index;
    const uint8_t *guest;
    uint8_t *used;
    uint32_t guess;                 /* the entry that may be next */
    int checked;                    /* the guest's CPU: 0 not yet, 1, -1 */
    size_t found, missed;

    void *map;                      /* all of the file */
    size_t map_size;
    QEMUTimer *timer;
    bool timed;
    size_t seen;                    /* when the timer was set, found or missed */
} keep = { .fd = -1 };

extern const char __executable_start[];

uintptr_t tb_keep_blocks;

static TranslationBlock *block_of(const KeepEntry *e)
{
    return (void *)(tb_keep_blocks + e->block);
}

static bool inside(uint64_t offset, uint64_t count, uint64_t each, uint64_t size)
{
    return offset <= size && count <= (size - offset) / each;
}

/*
 * Gives memory back once the guest has run next to nothing new for a while: most
 * pages of the file have the code of its start, which is over, and the host keeps
 * what has room in its page cache, where others map it. QEMU's own start has left
 * its heap half empty.
 */
static void forget(void *unused)
{
    size_t seen = qatomic_read(&keep.found) + qatomic_read(&keep.missed);
    bool busy = seen - keep.seen > KEEP_FEW;

    keep.seen = seen;
    if (busy) {
        timer_mod(keep.timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + KEEP_MS);
        return;
    }
    qatomic_set(&keep.timed, false);
    qemu_madvise(keep.base, keep.header->code_size, QEMU_MADV_DONTNEED);
    qemu_madvise(keep.map, keep.map_size, QEMU_MADV_DONTNEED);
    malloc_trim(0);
}

/* Maps all but the code, and the code where it was recorded. */
static bool map_file(size_t size, Error **errp)
{
    KeepHeader want = { 0 };
    const KeepHeader *h;
    uint64_t at;
    void *map;

    if (size < KEEP_CODE) {
        error_setg(errp, "it is not such a file");
        return false;
    }
    map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, keep.fd, 0);
    if (map == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map it");
        return false;
    }
    h = map;
    if (memcmp(h->magic, KEEP_MAGIC, sizeof(h->magic))) {
        error_setg(errp, "it is not such a file");
        goto fail;
    }
    if (!tb_keep_identify(&want) ||
        memcmp(h->build_id, want.build_id, sizeof(want.build_id))) {
        error_setg(errp, "another QEMU wrote it");
        goto fail;
    }
    if (memcmp(h->host_cpu, want.host_cpu, sizeof(want.host_cpu))) {
        error_setg(errp, "it was written on a host with another CPU");
        goto fail;
    }
    at = KEEP_CODE;
    if (!QEMU_IS_ALIGNED(h->code_size, KEEP_CODE) ||
        h->code_size > KEEP_MAX || !inside(at, h->code_size, 1, size)) {
        error_setg(errp, "it is cut off");
        goto fail;
    }
    at += h->code_size;
    keep.buckets = map + at;
    if (!is_power_of_2(h->buckets) ||
        !inside(at, h->buckets, sizeof(uint32_t), size)) {
        error_setg(errp, "it is cut off");
        goto fail;
    }
    at = ROUND_UP(at + h->buckets * sizeof(uint32_t), 8);
    keep.index = map + at;
    if (!inside(at, h->entries, sizeof(KeepEntry), size)) {
        error_setg(errp, "it is cut off");
        goto fail;
    }
    at += h->entries * sizeof(KeepEntry);
    keep.guest = map + at;
    if (!inside(at, h->bytes, 1, size) || at + h->bytes != size) {
        error_setg(errp, "it is cut off");
        goto fail;
    }
    if (mmap(keep.base, h->code_size, PROT_READ | PROT_EXEC,
             MAP_PRIVATE | MAP_FIXED, keep.fd, KEEP_CODE) != keep.base) {
        error_setg_errno(errp, errno, "cannot map its code to run it");
        goto fail;
    }
    keep.used = g_malloc0(h->entries);
    keep.header = h;
    keep.map = map;
    keep.map_size = size;
    keep.timer = timer_new_ms(QEMU_CLOCK_REALTIME, forget, NULL);
    return true;

 fail:
    munmap(map, size);
    return false;
}

void *tb_keep_alloc_buffer(size_t size)
{
    Error *err = NULL;
    size_t room = 0;
    struct stat st;
    bool opened = false;
    void *base = (void *)((uintptr_t)__executable_start - KEEP_BELOW);

    if (!keep.record_path && !keep.path) {
        return NULL;
    }
    if (keep.path) {
        keep.fd = open(keep.path, O_RDONLY | O_CLOEXEC);
        opened = keep.fd >= 0 && fstat(keep.fd, &st) == 0;
        if (!opened) {
            warn_report("tb-keep: cannot open '%s': %s", keep.path,
                        strerror(errno));
        } else {
            room = ROUND_UP(MIN(st.st_size, KEEP_MAX), KEEP_ALIGN);
        }
    }
    if (mmap(base - TB_KEEP_BLOCKS, TB_KEEP_BLOCKS + room + size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE,
             -1, 0) != base - TB_KEEP_BLOCKS ||
        mprotect(base - TB_KEEP_BLOCKS, TB_KEEP_BLOCKS, PROT_READ | PROT_WRITE)) {
        warn_report("tb-keep: the place for translations is taken: %s",
                    strerror(errno));
        return NULL;
    }
    keep.base = base;
    tb_keep_blocks = (uintptr_t)base - TB_KEEP_BLOCKS;
    qemu_madvise((void *)tb_keep_blocks, TB_KEEP_BLOCKS, QEMU_MADV_HUGEPAGE);
    if (keep.record_path) {
        tb_record_init(keep.record_path, base);
    }
    if (opened && !map_file(st.st_size, &err)) {
        warn_reportf_err(err, "tb-keep: '%s' is not used: ", keep.path);
    }
    if (keep.fd >= 0) {
        close(keep.fd);
    }
    return base + room;
}

bool tb_keep_contains(const void *p)
{
    return keep.header && p >= keep.base &&
           p < keep.base + keep.header->code_size;
}

TranslationBlock *tb_keep_at(uintptr_t p)
{
    uint32_t offset = p - (uintptr_t)keep.base;
    uint64_t low = 0, high = keep.header->entries;

    while (low < high) {
        uint64_t mid = (low + high) / 2;

        if (keep.index[mid].code + keep.index[mid].code_size <= offset) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low < keep.header->entries && qatomic_read(&keep.used[low])) {
        if (offset >= keep.index[low].code) {
            return block_of(&keep.index[low]);
        }
    }
    return NULL;
}

static bool cpu_fits(CPUState *cpu)
{
    int checked = qatomic_read(&keep.checked);

    if (!checked) {
        uint64_t words[FEATURE_WORDS];

        tb_keep_guest_cpu(cpu, words);
        checked = memcmp(words, keep.header->guest_cpu, sizeof(words)) ? -1 : 1;
        if (checked < 0) {
            warn_report("tb-keep: '%s' is not used: it is of a guest with "
                        "another CPU", keep.path);
        }
        qatomic_set(&keep.checked, checked);
    }
    return checked > 0;
}

static TranslationBlock *link_kept(CPUState *cpu, const KeepEntry *e,
                                   target_ulong pc, tb_page_addr_t phys_pc)
{
    TranslationBlock *tb = block_of(e);

    tb->pc = pc;
    tb->cs_base = e->cs_base;
    tb->flags = e->flags;
    tb->cflags = e->cflags;
    tb->trace_vcpu_dstate = *cpu->trace_dstate;
    tb->size = e->size;
    tb->icount = e->icount;
    tb->tc.ptr = keep.base + e->code;
    tb->tc.size = e->code_size;
    tb_set_page_addr0(tb, phys_pc);
    tb_set_page_addr1(tb, -1);
    tb->page_next[0] = tb->page_next[1] = (uintptr_t)NULL;
    qemu_spin_init(&tb->jmp_lock);
    tb->jmp_list_head = (uintptr_t)NULL;
    for (int i = 0; i < 2; i++) {
        tb->jmp_list_next[i] = tb->jmp_dest[i] = (uintptr_t)NULL;
        tb->jmp_reset_offset[i] = e->jmp_reset_offset[i];
        if (tb->jmp_reset_offset[i] != TB_JMP_RESET_OFFSET_INVALID) {
            tb_reset_jump(tb, i);
        }
    }
    return tb_link_page(tb, phys_pc, -1);
}

/* What a block has to fit: the CPU's state, and the guest's bytes. */
typedef struct KeepWanted {
    target_ulong cs_base;
    uint32_t offset, flags, cflags;
    const void *code;
} KeepWanted;

/*
 * Takes entry @i if it fits. A block lies at one guest address at a time, and an
 * invalid one may still be running: each is used once, until all are dropped.
 */
static bool take(uint32_t i, const KeepWanted *w)
{
    const KeepEntry *e = &keep.index[i];

    return e->offset == w->offset && e->flags == w->flags &&
           e->cflags == w->cflags && e->cs_base == w->cs_base &&
           !qatomic_read(&keep.used[i]) &&
           !memcmp(keep.guest + e->bytes, w->code, e->size) &&
           !qatomic_xchg(&keep.used[i], 1);
}

TranslationBlock *tb_keep_find(CPUState *cpu, target_ulong pc,
                               target_ulong cs_base, uint32_t flags,
                               uint32_t cflags, tb_page_addr_t phys_pc,
                               const void *host_pc)
{
    KeepWanted w = {
        .cs_base = cs_base, .offset = pc & ~TARGET_PAGE_MASK,
        .flags = flags, .cflags = cflags, .code = host_pc,
    };
    uint32_t i;

    if (!keep.header || phys_pc == -1 || !host_pc || !cpu_fits(cpu)) {
        return NULL;
    }
    /* What is looked for in vain has the file's pages read, too. */
    if (!qatomic_read(&keep.timed) && !qatomic_xchg(&keep.timed, true)) {
        timer_mod(keep.timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + KEEP_MS);
    }
    /* Guests do the same things in the same order, nearly. */
    i = qatomic_read(&keep.guess);
    if (i >= keep.header->entries || !take(i, &w)) {
        uint32_t h = tb_keep_hash(pc, cs_base, flags, cflags, host_pc);

        for (i = keep.buckets[h & (keep.header->buckets - 1)]; i;
             i = keep.index[i - 1].next) {
            if (take(i - 1, &w)) {
                break;
            }
        }
        if (!i--) {
            qatomic_inc(&keep.missed);
            return NULL;
        }
    }
    qatomic_set(&keep.guess, i + 1);
    qatomic_inc(&keep.found);
    return link_kept(cpu, &keep.index[i], pc, phys_pc);
}

void tb_keep_flush(void)
{
    if (keep.header) {
        memset(keep.used, 0, keep.header->entries);
    }
}

void tb_keep_init(const char *record, const char *kept)
{
    if (record && kept) {
        /* What is recorded has to lie where it will be kept. */
        warn_report("tb-keep: '%s' is not used: this QEMU records", kept);
        kept = NULL;
    }
    keep.record_path = record;
    keep.path = kept;
}

void tb_keep_dump(GString *buf)
{
    if (keep.header) {
        g_string_append_printf(buf, "kept translations   %zu of %" PRIu64
                               ", %zu others\n", qatomic_read(&keep.found),
                               keep.header->entries,
                               qatomic_read(&keep.missed));
    }
}
