/*
 * String instructions with a repeat prefix, many elements at a time
 *
 * A kernel copies and clears memory with "rep movs" and "rep stos", whose
 * translation moves one element, and then jumps to itself. Before each of these
 * turns a helper moves what it can of the others: those that lie in the same
 * pages, if these are memory that may be accessed now. It never faults and always
 * leaves an element, so whatever is special (a fault, a device, the end) is met
 * by the translation, with the registers as the CPU would have them there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "exec/exec-all.h"
#include "helper-tcg.h"

/* Elements from @addr to the end of its page. */
static target_ulong in_page(target_ulong addr, uint32_t ot)
{
    return -(addr | TARGET_PAGE_MASK) >> ot;
}

static void advance(CPUX86State *env, int reg, target_ulong n, uint32_t ot)
{
    env->regs[reg] += n << ot;
}

void helper_rep_movs(CPUX86State *env, uint32_t ot)
{
    target_ulong from = env->regs[R_ESI], to = env->regs[R_EDI];
    target_ulong n = env->regs[R_ECX] - 1;
    int mmu_idx = cpu_mmu_index(env, false);
    uint8_t *s, *d;
    size_t size;

    n = MIN(n, MIN(in_page(from, ot), in_page(to, ot)));
    if (env->df != 1 || !n) {
        return;
    }
    size = n << ot;
    s = probe_string(env, from, size, MMU_DATA_LOAD, mmu_idx, GETPC());
    if (!s) {
        return;
    }
    d = probe_string(env, to, size, MMU_DATA_STORE, mmu_idx, GETPC());
    if (!d) {
        return;
    }
    if (d <= s || d >= s + size) {
        memmove(d, s, size);
    } else {
        /* Elements that were just written are read again: a pattern. */
        for (size_t at = 0; at < size; at += 1 << ot) {
            memmove(d + at, s + at, 1 << ot);
        }
    }
    advance(env, R_ESI, n, ot);
    advance(env, R_EDI, n, ot);
    env->regs[R_ECX] -= n;
}

void helper_rep_stos(CPUX86State *env, uint32_t ot)
{
    target_ulong to = env->regs[R_EDI], value = env->regs[R_EAX];
    target_ulong n = MIN(env->regs[R_ECX] - 1, in_page(to, ot));
    uint8_t *d;

    if (env->df != 1 || !n) {
        return;
    }
    d = probe_string(env, to, n << ot, MMU_DATA_STORE,
                     cpu_mmu_index(env, false), GETPC());
    if (!d) {
        return;
    }
    if (ot == MO_8 || !value) {
        memset(d, value, n << ot);
    } else {
        for (target_ulong i = 0; i < n; i++) {
            memcpy(d + (i << ot), &value, 1 << ot);
        }
    }
    advance(env, R_EDI, n, ot);
    env->regs[R_ECX] -= n;
}
