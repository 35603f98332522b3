package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// fieldIndex maps a full key name to its field in Config.
var fieldIndex = sync.OnceValue(func() map[string][]int {
	found := map[string][]int{}
	fields(reflect.TypeFor[Config](), "", nil, found)
	return found
})

// fields maps full key names to the paths of their fields, as
// reflect.Value.FieldByIndex takes them. It follows the rules of
// BurntSushi/toml: embedded structs without a tag are flattened.
func fields(t reflect.Type, prefix string, at []int, found map[string][]int) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(slices.Clone(at), i)
		tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case tag == "-" || !f.IsExported():
		case f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct:
			fields(f.Type, prefix, index, found)
		case tag == "":
			panic(fmt.Sprintf("config: field %s of %s has no toml tag", f.Name, t))
		case f.Type.Kind() == reflect.Struct:
			fields(f.Type, prefix+tag+".", index, found)
		default:
			if found[prefix+tag] != nil {
				panic(fmt.Sprintf("config: two fields for the key %s%s", prefix, tag))
			}
			found[prefix+tag] = index
		}
	}
}

// get answers the value of a key as its schema type; a key without a field has
// its default.
func get(c *Config, k *Key) any {
	index, ok := fieldIndex()[k.Name]
	if !ok {
		return k.Default
	}
	return plain(reflect.ValueOf(c).Elem().FieldByIndex(index))
}

// plain turns a field into one of the schema's types.
func plain(f reflect.Value) any {
	switch {
	case f.CanInt():
		return f.Int()
	case f.CanUint():
		return int64(f.Uint())
	case f.Kind() == reflect.String:
		return f.String()
	case f.Kind() == reflect.Bool:
		return f.Bool()
	case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.String:
		list := make([]string, f.Len())
		for i := range list {
			list[i] = f.Index(i).String()
		}
		return list
	}
	panic(fmt.Sprintf("config: no key can have the type %s", f.Type()))
}

// set puts a value, of the schema's type and within its limits, into the key's
// field. A key without a field keeps nothing.
func set(c *Config, k *Key, v any) error {
	index, ok := fieldIndex()[k.Name]
	if !ok {
		return nil
	}
	f := reflect.ValueOf(c).Elem().FieldByIndex(index)
	switch v := v.(type) {
	case string:
		f.SetString(v)
	case bool:
		f.SetBool(v)
	case int64:
		switch {
		case f.CanInt() && !f.OverflowInt(v):
			f.SetInt(v)
		case f.CanUint() && v >= 0 && !f.OverflowUint(uint64(v)):
			f.SetUint(uint64(v))
		default:
			return fmt.Errorf("%d is out of range", v)
		}
	case []string:
		list := reflect.MakeSlice(f.Type(), len(v), len(v))
		for i := range v {
			list.Index(i).SetString(v[i])
		}
		f.Set(list)
	}
	return nil
}
