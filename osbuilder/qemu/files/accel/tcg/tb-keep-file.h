/*
 * The file of kept translation blocks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_TCG_TB_KEEP_FILE_H
#define ACCEL_TCG_TB_KEEP_FILE_H

#include "qemu/units.h"
#include "qemu/xxhash.h"
#include "cpu.h"

/*
 * In this order: the header, in KEEP_CODE bytes; the code, as it lies in the
 * buffer; the first entry of each bucket, padded to 8 bytes; the entries; the
 * guest's code that they were made from.
 */
#define KEEP_MAGIC  "QEMUtbk2"
#define KEEP_CODE   4096
#define KEEP_PREFIX 8       /* bytes of the guest's code that are hashed */

typedef struct KeepHeader {
    char magic[8];
    uint8_t build_id[32];           /* QEMU's, by its linker */
    uint32_t host_cpu[12];          /* what the host's CPU can: code uses it */
    uint64_t guest_cpu[FEATURE_WORDS];
    uint64_t code_size;
    uint64_t buckets;               /* a power of two */
    uint64_t entries;
    uint64_t bytes;                 /* of guest code */
} KeepHeader;

QEMU_BUILD_BUG_ON(sizeof(KeepHeader) > KEEP_CODE);

/* By the code's offset. Entries are numbered from 1 in buckets and next. */
typedef struct KeepEntry {
    uint64_t cs_base;
    uint32_t next;                  /* of the same bucket */
    uint32_t flags;
    uint32_t cflags;
    uint32_t block;                 /* its offset from tb_keep_blocks */
    uint32_t code, code_size;       /* where it begins, and how long it is */
    uint32_t bytes;                 /* offset in the guest's code */
    uint16_t size;                  /* of the guest's code */
    uint16_t offset;                /* of the guest's code in its page */
    uint16_t icount;
    uint16_t jmp_reset_offset[2];
} KeepEntry;

/* Fills in what a file has to have in common with this QEMU and this host. */
bool tb_keep_identify(KeepHeader *h);

/* What the guest's CPU can: FEATURE_WORDS words. */
void tb_keep_guest_cpu(CPUState *cpu, uint64_t *words);

static inline uint32_t tb_keep_hash(target_ulong pc, target_ulong cs_base,
                                    uint32_t flags, uint32_t cflags,
                                    const void *code)
{
    uint32_t offset = pc & ~TARGET_PAGE_MASK;
    uint64_t prefix = 0;

    memcpy(&prefix, code, MIN(KEEP_PREFIX, TARGET_PAGE_SIZE - offset));
    return qemu_xxhash7(prefix, cs_base, offset, flags, cflags);
}

#endif
