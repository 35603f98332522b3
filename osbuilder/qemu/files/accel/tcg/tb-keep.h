/*
 * Translation blocks kept in a file, for the next guest that runs the same code
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_TCG_TB_KEEP_H
#define ACCEL_TCG_TB_KEEP_H

#include "exec/exec-all.h"

/* Set by -accel tcg,tb-record=FILE and tb-keep=FILE, before the buffer is made. */
void tb_keep_init(const char *record, const char *keep);

/* A block that was translated from the same bytes in the same state, or NULL. */
TranslationBlock *tb_keep_find(CPUState *cpu, target_ulong pc,
                               target_ulong cs_base, uint32_t flags,
                               uint32_t cflags, tb_page_addr_t phys_pc,
                               const void *host_pc);

/* All blocks were dropped; each kept one may be used again. No CPU runs. */
void tb_keep_flush(void);

/* Lines for "info jit". */
void tb_keep_dump(GString *buf);

/* tb-record.c: records all blocks from @base on, for the file @path. */
void tb_record_init(const char *path, void *base);

/* Remembers a block that was just translated and linked. */
void tb_record_add(const TranslationBlock *tb, target_ulong pc,
                   const void *host_pc);

/* All blocks were dropped. No CPU runs. */
void tb_record_flush(void);

#endif
