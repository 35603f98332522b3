package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Ways in which VMs are made.
const (
	cold     = "cold"
	template = "template"
	cached   = "cache"
)

var allModes = []string{cold, template, cached}

// configure writes the configuration of a mode and answers its path.
func configure(o *options, mode string) (string, error) {
	set := [][2]string{
		{"default_memory", strconv.Itoa(o.memoryMiB)},
		{"template_path", strconv.Quote(filepath.Join(o.dir, "templates"))},
		{"translations_path", strconv.Quote(filepath.Join(o.dir, "translations"))},
		{"vm_cache_endpoint", strconv.Quote(filepath.Join(o.dir, "cache.sock"))},
	}
	switch mode {
	case cold:
	case template:
		set = append(set, [2]string{"enable_template", "true"})
	case cached:
		set = append(set, [2]string{"enable_template", "true"}, [2]string{"vm_cache_number", strconv.Itoa(o.ready)})
	default:
		return "", fmt.Errorf("no such way to make VMs; there are %v", allModes)
	}
	text, err := os.ReadFile(o.config)
	if err != nil {
		return "", err
	}
	for _, kv := range set {
		if text, err = with(text, kv[0], kv[1]); err != nil {
			return "", fmt.Errorf("%s: %w", o.config, err)
		}
	}
	path := filepath.Join(o.dir, mode+".toml")
	return path, os.WriteFile(path, text, 0o600)
}

// with sets a key where it stands, as a comment or not.
func with(text []byte, key, value string) ([]byte, error) {
	line := regexp.MustCompile(`(?m)^#? *` + regexp.QuoteMeta(key) + ` *=.*$`)
	if !line.Match(text) {
		return nil, fmt.Errorf("it has no line for %s", key)
	}
	return line.ReplaceAllLiteral(text, []byte(key+" = "+value)), nil
}
