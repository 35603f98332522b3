package machine

// quiet are the settings of a kernel that lets an idle guest sleep: each time
// that it wakes, its tick comes for a few turns, and QEMU has to set its timer.
var quiet = []sysctl{
	// kcompactd looks twice a second whether memory should be compacted before
	// anybody asks for it (mm/compaction.c, HPAGE_FRAG_CHECK_INTERVAL_MSEC).
	{"vm/compaction_proactiveness", "0"},
	// Seconds between two looks at the counters of memory, one by default
	// (mm/vmstat.c, vmstat_shepherd). They are behind by less than a megabyte.
	{"vm/stat_interval", "10"},
}

// Quieten makes the guest's kernel wake less often while nothing happens. What
// a kernel does not have is left out.
func Quieten() error { return set(sysctls, quiet) }
