package tenantdb

// TemplateName is the name of this build's template.
func TemplateName() (string, error) { return templateName() }

// Shapes are all shapes that there are.
func Shapes() []Shape { return shapes() }
