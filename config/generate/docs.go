package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/kata-go/kata-runtime/config"
)

const module = "github.com/kata-go/kata-runtime/"

// readDocs finds the comment of each key's field and turns it into
// documentation for a user: names of fields become names of keys.
func readDocs(root string) ([]table, error) {
	r := reader{root: root, comments: map[string]string{}, keys: map[string]string{}, found: map[string]string{}}
	if err := r.walk(reflect.TypeFor[config.Config](), ""); err != nil {
		return nil, err
	}
	var tables []table
	for _, k := range config.Schema() {
		if k.Inert != "" {
			continue
		}
		doc := r.found[k.Name]
		if doc == "" {
			return nil, fmt.Errorf("the field of %s has no comment", k.Name)
		}
		if len(tables) == 0 || tables[len(tables)-1].name != k.Table() {
			for _, t := range tables {
				if t.name == k.Table() {
					return nil, fmt.Errorf("the keys of [%s] do not stand together in the schema", t.name)
				}
			}
			tables = append(tables, table{name: k.Table()})
		}
		t := &tables[len(tables)-1]
		t.entries = append(t.entries, entry{k, r.forUser(doc)})
	}
	return tables, nil
}

type reader struct {
	root string
	// comments are those of "package/path.Type.Field".
	comments map[string]string
	// keys are the names of keys by the name of their field.
	keys map[string]string
	// found are the comments by full key name.
	found map[string]string
}

func (r *reader) walk(t reflect.Type, prefix string) error {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		sub := prefix
		if tag != "" {
			sub += tag + "."
		}
		if f.Type.Kind() == reflect.Struct {
			if err := r.walk(f.Type, sub); err != nil {
				return err
			}
			continue
		}
		if err := r.parse(t.PkgPath()); err != nil {
			return err
		}
		r.found[prefix+tag] = r.comments[t.PkgPath()+"."+t.Name()+"."+f.Name]
		r.keys[f.Name] = tag
	}
	return nil
}

// parse reads the comments of all struct fields of a package, once.
func (r *reader) parse(pkg string) error {
	if _, done := r.comments[pkg]; done {
		return nil
	}
	r.comments[pkg] = ""
	files, err := filepath.Glob(filepath.Join(r.root, strings.TrimPrefix(pkg, module), "*.go"))
	if err != nil {
		return err
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if st, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, name := range f.Names {
						r.comments[pkg+"."+spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Doc.Text())
					}
				}
			}
			return false
		})
	}
	return nil
}

var word = regexp.MustCompile(`\b[A-Z][A-Za-z0-9]*\b`)

// forUser makes one paragraph with names of keys in it.
func (r *reader) forUser(doc string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	if rest, ok := strings.CutSuffix(doc, " New."); ok {
		doc = rest + " Not in Kata 1.x."
	}
	return word.ReplaceAllStringFunc(doc, func(name string) string {
		if key := r.keys[name]; key != "" {
			return key
		}
		return name
	})
}
