package hypervisor

import "encoding/json"

// jsonText is for values of our own making, which can always be encoded.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
