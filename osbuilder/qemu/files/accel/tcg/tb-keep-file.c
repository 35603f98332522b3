/*
 * What a file of kept translation blocks depends on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/exec-all.h"
#include "tb-keep-file.h"
#include <cpuid.h>
#include <link.h>

static int find_build_id(struct dl_phdr_info *info, size_t size, void *data)
{
    uint8_t *id = data;

    /* The first is the program itself. */
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const char *p = (const char *)info->dlpi_addr + ph->p_vaddr;
        const char *end = p + ph->p_memsz;

        if (ph->p_type != PT_NOTE) {
            continue;
        }
        while (p + sizeof(ElfW(Nhdr)) <= end) {
            const ElfW(Nhdr) *nh = (const void *)p;
            const char *name = p + sizeof(*nh);
            const char *desc = name + ROUND_UP(nh->n_namesz, 4);

            if (nh->n_type == NT_GNU_BUILD_ID && nh->n_namesz == 4 &&
                !memcmp(name, "GNU", 4)) {
                memcpy(id, desc, MIN(nh->n_descsz, 32));
                return 1;
            }
            p = desc + ROUND_UP(nh->n_descsz, 4);
        }
    }
    return -1;
}

bool tb_keep_identify(KeepHeader *h)
{
    uint32_t a, b, c, d;

    memcpy(h->magic, KEEP_MAGIC, sizeof(h->magic));
    if (dl_iterate_phdr(find_build_id, h->build_id) != 1) {
        return false;
    }
    __cpuid(1, a, b, c, d);
    h->host_cpu[0] = a;
    h->host_cpu[1] = c;
    h->host_cpu[2] = d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        h->host_cpu[3] = b;
        h->host_cpu[4] = c;
        h->host_cpu[5] = d;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        h->host_cpu[6] = c;
        h->host_cpu[7] = d;
    }
    if (h->host_cpu[1] & (1u << 27)) {
        asm("xgetbv" : "=a" (h->host_cpu[8]), "=d" (h->host_cpu[9]) : "c" (0));
    }
    return true;
}

void tb_keep_guest_cpu(CPUState *cpu, uint64_t *words)
{
    CPUX86State *env = cpu->env_ptr;

    for (int i = 0; i < FEATURE_WORDS; i++) {
        words[i] = env->features[i];
    }
}
