/*
 * Where kept translation blocks lie (accel/tcg/tb-keep.c)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TCG_TB_KEEP_H
#define TCG_TB_KEEP_H

#include "qemu/units.h"

/*
 * Maps the buffer for @size bytes of new code, with what is kept in front of
 * it, at a constant distance from QEMU's own code: what is translated calls
 * helpers by that distance. NULL if nothing is kept nor recorded, or if the
 * place is taken.
 */
void *tb_keep_alloc_buffer(size_t size);

/*
 * Blocks that are recorded or kept lie here, apart from their code: all that is
 * written to is in them, so that the code is read from the file by many QEMUs.
 */
#define TB_KEEP_BLOCKS  (64 * MiB)
extern uintptr_t tb_keep_blocks;

static inline bool tb_is_apart(const void *tb)
{
    return (uintptr_t)tb - tb_keep_blocks < TB_KEEP_BLOCKS;
}

/* A block to record, or NULL if this QEMU does not, or has no room for it. */
void *tb_record_alloc(void);

/* There is no room for its code where it was tried: the next is tried elsewhere. */
void tb_record_overflow(const TranslationBlock *tb);

/*
 * May code have this address by its distance? While blocks are recorded only what
 * goes with them may be: a guest's constant can look like an address.
 */
bool tb_record_may_refer_to(const void *p);

/* The used block whose code this is, or NULL; for what is contained only. */
TranslationBlock *tb_keep_at(uintptr_t p);

/* Is this within the kept blocks? */
bool tb_keep_contains(const void *p);

#endif
