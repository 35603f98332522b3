package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Literal writes a value of one of the schema's types as TOML.
func Literal(v any) string {
	switch v := v.(type) {
	case string:
		return quoteTOML(v)
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = quoteTOML(s)
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// quoteTOML writes a basic string (TOML 1.0, String), which knows fewer
// escapes than Go's.
func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteString(`\u` + fmt.Sprintf("%04s", strconv.FormatInt(int64(r), 16)))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
