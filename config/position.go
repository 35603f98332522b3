package config

import (
	"strconv"
	"strings"
)

// lines answers the line (from 1) on which each key and table header of a TOML
// document stands, by its dotted name (see dotted). The decoder keeps no
// positions of values that it could decode, and a message about a wrong value
// is worth little without one. The document has been parsed before, so this
// need not check it: whatever it is given, it ends and does not panic.
func lines(data string) map[string]int {
	s := scanner{data: data, line: 1}
	found := map[string]int{}
	var table []string
	for !s.end() {
		s.skip(" \t\r\n")
		at := s.line
		switch {
		case s.end():
		case s.data[s.pos] == '#':
			s.comment()
		case s.data[s.pos] == '[':
			s.skip("[")
			table = s.key()
			note(found, table, at)
			s.skip("] \t")
			s.comment()
		default:
			key := append(append([]string(nil), table...), s.key()...)
			note(found, key, at)
			if !s.end() && s.data[s.pos] == '=' {
				s.pos++
			}
			s.value()
		}
	}
	return found
}

func note(found map[string]int, key []string, line int) {
	// A dotted key defines its tables too.
	for n := 1; n <= len(key); n++ {
		if name := dotted(key[:n]); found[name] == 0 {
			found[name] = line
		}
	}
}

// dotted joins the parts of a key; a part that is not a bare key is quoted, so
// that "a.b" in quotes never looks like b in table a.
func dotted(parts []string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		if p == "" || strings.Trim(p, bareKey) != "" {
			p = strconv.Quote(p)
		}
		b.WriteString(p)
	}
	return b.String()
}

// bareKey are the characters of a bare key (TOML 1.0, Keys).
const bareKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// scanner goes through a document byte by byte and counts lines.
type scanner struct {
	data string
	pos  int
	line int
}

func (s *scanner) end() bool { return s.pos >= len(s.data) }

// next steps over one byte.
func (s *scanner) next() {
	if s.data[s.pos] == '\n' {
		s.line++
	}
	s.pos++
}

func (s *scanner) skip(set string) {
	for !s.end() && strings.IndexByte(set, s.data[s.pos]) >= 0 {
		s.next()
	}
}

// comment steps over the rest of the line.
func (s *scanner) comment() {
	for !s.end() && s.data[s.pos] != '\n' {
		s.pos++
	}
}

// key reads a key of one or more parts, and the blanks behind it. It always
// takes at least one byte unless it stands on '=', ']' or the end.
func (s *scanner) key() []string {
	var parts []string
	for {
		s.skip(" \t")
		if s.end() {
			return parts
		}
		switch c := s.data[s.pos]; c {
		case '"', '\'':
			start := s.pos
			s.quoted()
			part := s.data[start:s.pos]
			if c == '\'' {
				part = strings.Trim(part, "'")
			} else if plain, err := strconv.Unquote(part); err == nil {
				part = plain
			}
			parts = append(parts, part)
		case '.':
			s.pos++
		case '=', ']', '\n', '\r', '#':
			return parts
		default:
			start := s.pos
			for !s.end() && strings.IndexByte(" \t.=]\r\n#\"'", s.data[s.pos]) < 0 {
				s.pos++
			}
			parts = append(parts, s.data[start:s.pos])
		}
	}
}

// value steps over a value and the rest of its last line.
func (s *scanner) value() {
	depth := 0
	for !s.end() {
		switch s.data[s.pos] {
		case '"', '\'':
			s.quoted()
			continue
		case '#':
			s.comment()
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '\n':
			if depth <= 0 {
				return
			}
		}
		s.next()
	}
}

// quoted steps over a string of one or of several lines.
func (s *scanner) quoted() {
	q := s.data[s.pos : s.pos+1]
	triple := strings.Repeat(q, 3)
	long := strings.HasPrefix(s.data[s.pos:], triple)
	if long {
		s.pos += 3
	} else {
		s.pos++
	}
	for !s.end() {
		switch {
		case q == `"` && s.data[s.pos] == '\\' && s.pos+1 < len(s.data):
			s.pos++
		case long && strings.HasPrefix(s.data[s.pos:], triple):
			s.pos += 3
			// Up to two more quotes belong to the string (TOML 1.0, String).
			s.skip(q)
			return
		case !long && s.data[s.pos] == q[0]:
			s.pos++
			return
		case !long && s.data[s.pos] == '\n':
			return
		}
		s.next()
	}
}
